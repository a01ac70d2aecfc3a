import keras
from sklearn import datasets

from tfnoisy.methods import truncated_gce

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
student = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
)
when = {"start_prune": 2, "prune_every": 1}
method = truncated_gce.TruncatedGCE(student, q=0.7, k=0.5, **when)
method.compile("sgd", metrics=["accuracy"])
method.fit(x[:800], y[:800], epochs=4, validation_data=(x[800:], y[800:]))
print(method.evidence_frame().head())
