"""What some sets of TFDS know of their labels besides the label itself."""

import re

import numpy as np

# The label sets that people gave to training images: our name and TFDS's.
_HUMAN_LABELS = {
    "cifar10_n": {
        "worse": "worse_label",
        "aggre": "aggre_label",
        "random1": "random_label1",
        "random2": "random_label2",
        "random3": "random_label3",
    },
    "cifar100_n": {"noisy100": "noise_label"},
}

# "The training images were not cleaned, and thus still contain some amount of
# noise", say their authors.
_NOT_CLEANED = {("food101", "train")}

# Mini-ImageNet's names: the synset, and the number of the image in it.
_IMAGENET_ID = re.compile(rb"(n\d{8})\d{8}")


def features(set_name, split, available):
    """Returns the names of the features that the functions below look at.

    Args:
        set_name: TFDS's name without config and version.
        split: the split's name without its slice.
        available: the names of all features of the set.
    """
    if set_name in _HUMAN_LABELS and split == "train":
        return list(_HUMAN_LABELS[set_name].values())
    return ["is_clean", "id"] if "is_clean" in available else []


def human_labels(set_name, columns):
    """Returns the label sets that people gave, {name: int64 [N]}.

    CIFAR-10N and CIFAR-100N have them, other data sets none.  TFDS reads the
    annotators' file by the position of its columns, so files that differ in
    the order of columns swap `worse` and `aggre`.  The two are told apart by
    what they are: `aggre`, the majority vote, agrees with the three annotators
    at least as often as `worse` does.

    Args:
        set_name: TFDS's name without config and version.
        columns: {feature: array [N]}.
    """
    labels = {
        name: columns[key]
        for name, key in _HUMAN_LABELS.get(set_name, {}).items()
        if key in columns
    }
    if "worse" not in labels:
        return labels
    votes = [labels[name] for name in ("random1", "random2", "random3")]

    def agreement(name):
        return sum(int((labels[name] == vote).sum()) for vote in votes)

    if agreement("worse") > agreement("aggre"):
        labels["worse"], labels["aggre"] = labels["aggre"], labels["worse"]
    return labels


def clean_labels(set_name, split, columns, read_whole):
    """Returns the true labels, int64 [N], or None where they are not known.

    They are the labels themselves, but for two sets: the training labels of
    `food101` have never been checked, and `controlled_noisy_web_labels` says
    in `is_clean` which labels are right.  Of its wrong ones the blue are
    ImageNet's images under another class: their truth is what the clean images
    of their synset are labelled.  The red are images from the web that people
    did not find to be of their class; no class is known to be right, and their
    truth is -1.

    Args:
        set_name: TFDS's name without config and version.
        split: the split's name without its slice.
        columns: {feature: array [N]} of a slice of the split.
        read_whole: a function of features' names to {feature: array [M]} of
            the whole split: a slice need not have a clean image of each class.
    """
    if (set_name, split) in _NOT_CLEANED:
        return None
    labels = columns["label"]
    if "is_clean" not in columns or columns["is_clean"].all():
        return labels.copy()
    label_of = {}
    synsets = _synsets(columns["id"])
    if any(synsets):
        whole = read_whole(["label", "is_clean", "id"])
        clean = whole["is_clean"]
        label_of = dict(
            zip(_synsets(whole["id"][clean]), whole["label"][clean])
        )
    truth = [label_of.get(synset, -1) for synset in synsets]
    return np.where(columns["is_clean"], labels, truth)


def _synsets(ids):
    """Returns the synset of each id, None for images from the web."""
    matches = map(_IMAGENET_ID.fullmatch, ids)
    return [match and match[1] for match in matches]
