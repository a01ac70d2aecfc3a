"""All registries of names that users give."""

from tfnoisy.catalogue import (
    datasets,
    methods,
    networks,
    noises,
    pretrainings,
    views,
)

ALL = (
    methods.METHODS,
    networks.NETWORKS,
    noises.NOISE_KINDS,
    datasets.DATASETS,
    pretrainings.PRETRAININGS,
    views.WEAK_VIEWS,
    views.STRONG_VIEWS,
)
