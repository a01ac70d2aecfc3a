import keras
from sklearn import datasets

from tfnoisy.methods.look_ahead import fsr

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
student = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
)
method = fsr.FSR(student, queue_capacity=200, queue_bs=50, meta_start_epoch=2)
method.compile("sgd")
method.fit(x[:800], y[:800], epochs=4, validation_data=(x[800:], y[800:]))
print(method.evidence_frame().head())
