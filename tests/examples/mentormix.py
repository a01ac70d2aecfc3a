import keras
from sklearn import datasets

from tfnoisy.methods import mentormix

digits = datasets.load_digits()
x, y = (digits.images[..., None] / 8.0 - 1.0).astype("float32"), digits.target
student = keras.Sequential(
    [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
)
method = mentormix.MentorMix(student, mixup_alpha=2.0, ema_decay=0.9)
method.compile("sgd")
stop = keras.callbacks.EarlyStopping("val_accuracy", restore_best_weights=True)
method.fit(x[:800], y[:800], epochs=4, validation_split=0.1, callbacks=[stop])
print(method.evidence_frame().head())
