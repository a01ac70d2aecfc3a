import keras
from sklearn import datasets

from tfnoisy.methods.look_ahead import l2r

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
student = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
)
trusted = x[:100], y[:100]
method = l2r.L2R(student, ema_decay=0.9)
method.compile("sgd")
method.fit(x[100:800], y[100:800], probe=trusted, epochs=4)
print(method.evaluate(x[800:], y[800:], return_dict=True))
