"""The networks.

@networks.register("my_network", least_side=8)
def my_network(num_classes, image_shape, seed):
    ...
"""

import dataclasses

from tfnoisy import registry


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(registry.Entry):
    """A network: a function of (num_classes, image_shape, seed).

    It returns a functional `keras.Model` from images [N, H, W, C] to logits
    [N, num_classes] whose last layer is named `logits`; see `nets.registry`.

    Attributes:
        least_side: the least side of an image in pixels.
        spelling: how it is written where `name` stands for many.
        takes_pretrained: whether it has published weights and thus takes a
            `nets.applications.Pretrained` as the argument `pretrained`.
    """

    least_side: int = 1
    spelling: str = ""
    takes_pretrained: bool = False

    @property
    def form(self) -> str:
        """How it is written."""
        return self.spelling or self.name


def _networks(room, least_side, *names, **facts):
    """Returns networks whose functions have their names."""
    return [
        Network(
            name=name,
            target=f"tfnoisy.nets.{room}:{name}",
            least_side=least_side,
            **facts,
        )
        for name in names
    ]


NETWORKS = registry.Registry(
    "network",
    Network,
    [
        *(
            Network(
                name=f"cifar_resnet{depth}",
                target="tfnoisy.nets.cifar_resnet:build",
                arguments={"depth": depth},
                least_side=4,
            )
            for depth in (20, 32, 56)
        ),
        *_networks("slim_cifarnet", 4, "inception"),
        *_networks("applications", 32, "keras_resnet50", takes_pretrained=True),
        *_networks(
            "applications",
            75,
            "keras_inception_resnet_v2",
            takes_pretrained=True,
        ),
        *_networks(
            "efficientnet_lite0",
            32,
            "efficientnet_lite0",
            takes_pretrained=True,
        ),
        *_networks("frozen", 8, "frozen_efficientnet_lite0"),
        *_networks("preact_resnet", 8, "preact_resnet18"),
        *_networks("wide_preact_resnet", 4, "resnet101"),
        *_networks("resnet29", 4, "resnet29"),
        *_networks("wide_preact_resnet", 4, "resnet32"),
        *_networks("resnet50", 32, "resnet50"),
        *(
            Network(
                name=name,
                target="tfnoisy.nets.resnet9:build",
                arguments={"width": width, "mirror": mirror},
                least_side=9,
            )
            for name, width, mirror in (
                ("resnet9", 1.0, False),
                ("resnet9_mirror", 1.0, True),
                ("resnet9_half", 0.5, False),
                ("resnet9_half_mirror", 0.5, True),
            )
        ),
        *_networks("small_cnn", 4, "small_cnn"),
        # Stands for every wrn-D-K.
        Network(
            name="wrn-28-10",
            target="tfnoisy.nets.wide_resnet:build",
            arguments={"depth": 28, "widen": 10},
            spelling="wrn-D-K",
            least_side=4,
        ),
    ],
)

register = NETWORKS.register
