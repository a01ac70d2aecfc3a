import keras
from sklearn import datasets

from tfnoisy.methods import baseline

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
student = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
)
method = baseline.Baseline(student, mixup_alpha=1.0)
method.compile("sgd", metrics=["accuracy"])
method.fit(x[:800], y[:800], epochs=4, sample_weight=1.0 + (y[:800] == 8))
print(method.evaluate(x[800:], y[800:], return_dict=True))
