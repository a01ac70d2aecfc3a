import keras
from sklearn import datasets

from tfnoisy.methods import sop

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
student = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
)
method = sop.SOP(student, lr_u=1.0, lr_v=10.0)
method.compile("sgd", metrics=["accuracy"])
method.fit(x[:800], y[:800], epochs=4, validation_data=(x[800:], y[800:]))
print(method.evidence_frame().head())
