import keras
from sklearn import datasets

from tfnoisy.methods.fitting import views
from tfnoisy.methods.pes import pes

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
student = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
)
method = pes.PES(student, T1=3, T2=2, T3=1, num_epochs=6)
method.compile("sgd", metrics=["accuracy"])
method.fit(
    x[:800], y[:800], epochs=6, augment=views.crop_and_flip(1, flip=False)
)
print(method.evaluate(x[800:], y[800:], return_dict=True))
print(method.evidence_frame().head())
