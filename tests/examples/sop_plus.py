import keras
from sklearn import datasets

from tfnoisy.methods import sop

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
student = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
)
plus = {"ratio_consistency": 0.9, "ratio_balance": 0.1, "flip": False}
method = sop.SOP(student, lr_u=1.0, lr_v=10.0, **plus)
method.compile("sgd", metrics=["accuracy"])
method.fit(x[:800], y[:800], epochs=4, validation_data=(x[800:], y[800:]))
print(method.evidence_frame().head())
