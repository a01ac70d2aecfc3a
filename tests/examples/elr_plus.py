import keras
from sklearn import datasets

from tfnoisy.methods.elr_plus import elr_plus

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
student = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
)
method = elr_plus.ELRPlus(student, ema_step=400)
method.compile("sgd", metrics=["accuracy"])
method.fit(x[:800], y[:800], epochs=4, validation_data=(x[800:], y[800:]))
method.classifier().save("classifier.keras")
print(method.evidence_frame().head())
