import keras
from sklearn import datasets

from tfnoisy.methods import mentormix

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
# In place of weights from keras.applications, keras-hub or a file.
backbone = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(32)]
)
student = keras.Sequential([backbone, keras.layers.Dense(10)])
backbone.trainable = False
method = mentormix.MentorMix(student, ema_decay=0.9)
method.compile(keras.optimizers.Adam(1e-2))
method.fit(x[:800], y[:800], epochs=2)
backbone.trainable = True
method.compile(keras.optimizers.Adam(1e-3))
method.fit(x[:800], y[:800], epochs=2)
print(method.evaluate(x[800:], y[800:], return_dict=True))
