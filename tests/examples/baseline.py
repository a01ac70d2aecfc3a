import keras
from sklearn import datasets

from tfnoisy.methods import baseline

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
student = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
)
method = baseline.Baseline(student, ema_decay=0.9)
method.compile("sgd")
method.fit(x[:800], y[:800], epochs=4, validation_split=0.1)
print(method.evaluate(x[800:], y[800:], return_dict=True))
method.classifier().save("classifier.keras")
