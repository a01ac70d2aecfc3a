import keras
from sklearn import datasets

from tfnoisy.methods.fitting import views
from tfnoisy.methods.promix import promix

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
student = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
)
weak, strong = (views.crop_and_flip(n, flip=False) for n in (1, 2))
method = promix.ProMix(student, pretrain_ep=2, strong=strong, num_epochs=5)
method.compile("sgd", metrics=["accuracy"])
method.fit(x[:800], y[:800], epochs=5, augment=weak)
print(method.evaluate(x[800:], y[800:], return_dict=True))
print(method.evidence_frame().head())
