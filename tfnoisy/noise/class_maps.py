"""Into which class an asymmetric flip takes each class."""

import numpy as np

from tfnoisy import errors

_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"

# Patrini et al. 2017; the maps of DivideMix and IEG's code.  Classes that are
# not named keep their labels.
_CIFAR10_FLIPS = {
    "truck": "automobile",
    "bird": "airplane",
    "deer": "horse",
    "cat": "dog",
    "dog": "cat",
}

# Krizhevsky 2009: five classes in each of twenty superclasses, in the
# alphabetical order of the published label numbers.
CIFAR100_SUPERCLASSES = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": (
        "camel cattle chimpanzee elephant kangaroo"
    ),
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}


def _next_in_superclass():
    flips = {}
    for text in CIFAR100_SUPERCLASSES.values():
        names = text.split()
        flips.update(zip(names, names[1:] + names[:1]))
    return flips


def ring(num_classes):
    """Returns int64 [C], the next class of each, the last one's the first."""
    return (np.arange(num_classes) + 1) % num_classes


def asymmetric(class_names):
    """Returns int64 [C], the class that each class is mistaken for.

    A data set with CIFAR-10's class names gets CIFAR-10's map (truck ->
    automobile, bird -> airplane, deer -> horse, cat <-> dog, the others stay);
    one with CIFAR-100's the next class within the superclass, circularly;
    any other the next class, circularly.

    Args:
        class_names: one name per class, in the order of the labels.
    """
    hundred = _next_in_superclass()
    if set(class_names) == set(_CIFAR10.split()):
        return _by_name(class_names, _CIFAR10_FLIPS)
    if set(class_names) == set(hundred):
        return _by_name(class_names, hundred)
    return ring(len(class_names))


def cifar10_only(class_names, spec_text):
    """Returns CIFAR-10's map; a UserError for other classes."""
    if set(class_names) != set(_CIFAR10.split()):
        raise errors.UserError(
            f"noise '{spec_text}' is defined for CIFAR-10 only; "
            "asymmetric:R is for any data"
        )
    return asymmetric(class_names)


def _by_name(class_names, flips):
    index = {name: label for label, name in enumerate(class_names)}
    return np.array([index[flips.get(name, name)] for name in class_names])
