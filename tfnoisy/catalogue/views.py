"""The views of an image: weak ones for training, strong ones beside them.

@views.register_weak("my_view")
def my_view(name, image_shape, mirror):
    ...
"""

import dataclasses

from tfnoisy import registry


@dataclasses.dataclass(frozen=True, kw_only=True)
class View(registry.Entry):
    """A view of images: a function of (name, image_shape, mirror).

    `name` is what the user typed, `image_shape` (H, W, C), and `mirror`
    whether a flipped image keeps its class.  It returns an
    `augment.standard.Augmentation`.

    Attributes:
        parameters: what may follow the name, a colon before each, for help
            texts; without it the name alone is known.
        takes_jit: whether the function takes `jit` too: whether XLA compiles
            the view.
    """

    parameters: str = ""
    takes_jit: bool = False

    @property
    def form(self) -> str:
        """How it is written."""
        return self.name + self.parameters


def _weak(name, function=None, **arguments):
    return View(
        name=name,
        target=f"tfnoisy.augment.standard:{function or name}",
        arguments=arguments,
    )


WEAK_VIEWS = registry.Registry(
    "augmentation",
    View,
    [
        _weak("standard"),
        _weak("mentormix"),
        _weak("mentornet"),
        _weak("mentornet_inception", "mentornet", pixels_of_32=8),
        _weak("ieg"),
        _weak("dividemix_cifar10", "normalised"),
        _weak("dividemix_cifar100", "normalised"),
        _weak("dividemix_clothing1m", "cropped"),
        _weak("dividemix_webvision", "cropped"),
        _weak("ieg_webvision", "cropped"),
        _weak("bkd_cifar10", "normalised", mode="REFLECT"),
        _weak("bkd_cifar100", "normalised"),
        _weak(
            "airbench",
            "normalised",
            pixels_of_32=2,
            mode="REFLECT",
            alternating_flip=True,
        ),
        View(name="simclr", target="tfnoisy.augment.simclr:view"),
        _weak("none", "unmoved_view"),
    ],
)


def _policy(name, parameters="", policy=None):
    return View(
        name=name,
        target="tfnoisy.augment.strong:policy_view",
        arguments={"policy": policy} if policy else {},
        parameters=parameters,
        takes_jit=True,
    )


STRONG_VIEWS = registry.Registry(
    "strong augmentation",
    View,
    [
        # The names of google-research/ieg.
        _policy("autoaug", policy="autoaugment_ieg"),
        _policy("randaug", policy="randaugment_ieg"),
        _policy("autoaugment_cifar10"),
        _policy("autoaugment_svhn"),
        _policy("autoaugment_imagenet"),
        _policy("autoaugment_ieg"),
        _policy("randaugment_ieg"),
        _policy("randaugment_promix"),
        _policy("randaugment", ":N:M"),
        View(
            name="keras_randaugment",
            target="tfnoisy.augment.keras_view:get",
            parameters=":N:FACTOR",
        ),
    ],
)

register_weak = WEAK_VIEWS.register
register_strong = STRONG_VIEWS.register
