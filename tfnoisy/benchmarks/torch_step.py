"""PyTorch's plain training step, the yardstick; PyTorch is optional."""

import importlib.util
import statistics
import time


def torch_step_suite(batch_size, repeats, num_classes=10):
    """Yields the time of PyTorch's plain step of PreAct ResNet-18.

    SGD with momentum, cross-entropy, 32x32 images that are on the device,
    channels last: float32 (with TensorFloat-32, TensorFlow's default on a GPU
    that has it) and bfloat16 (autocast).  Nothing where there is no PyTorch.

    Args:
        batch_size: B.
        repeats: how often each is timed; the median counts.
        num_classes: C.

    Yields:
        As `gpu.gpu_suite`.
    """
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    on_gpu = device == "cuda"
    calls = 20 if on_gpu else 1
    for precision in ("none", "bfloat16"):
        step = compiled(device, precision, batch_size, num_classes)

        def run(count, step=step):
            started = time.perf_counter()
            for _ in range(count):
                loss = step()
            # Read back: only then the device has done its work.
            loss.item()
            return (time.perf_counter() - started) / count

        first = run(1)
        run(calls)
        each = statistics.median(run(calls) for _ in range(repeats))
        yield {
            "device": torch.cuda.get_device_name(0) if on_gpu else "CPU",
            "method": "torch_baseline",
            "studentnet": "preact_resnet18",
            "batch_size": batch_size,
            "mixed_precision": precision,
            "torch": torch.__version__,
            "first_call_seconds": round(first, 2),
            "step_ms": round(1000 * each, 3),
            "images_per_second": round(batch_size / each, 1),
        }


def compiled(device, precision, batch_size, num_classes):
    """Returns a function that makes a step and returns its loss.

    Args:
        device: `cpu` or `cuda`.
        precision: `none` or `bfloat16`.
        batch_size: B.
        num_classes: C.
    """
    import torch

    torch.manual_seed(0)
    channels_last = torch.channels_last
    network = preact_resnet18(num_classes).to(
        device, memory_format=channels_last
    )
    optimizer = torch.optim.SGD(
        network.parameters(), 0.01, momentum=0.9, weight_decay=5e-4
    )
    images = torch.rand(batch_size, 3, 32, 32, device=device)
    images = images.to(memory_format=channels_last)
    labels = torch.arange(batch_size, device=device) % num_classes
    half = precision != "none"

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=half):
            logits = network(images)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def preact_resnet18(num_classes):
    """Returns PreAct ResNet-18 for 32x32 images, as our `preact_resnet18`.

    Args:
        num_classes: C.

    Returns:
        A `torch.nn.Module`, images [N, 3, H, W] -> logits [N, C].
    """
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inputs, filters, stride):
            super().__init__()
            self.bn1 = nn.BatchNorm2d(inputs)
            self.conv1 = nn.Conv2d(inputs, filters, 3, stride, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(filters)
            self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
            self.shortcut = None
            if stride > 1 or inputs != filters:
                self.shortcut = nn.Conv2d(
                    inputs, filters, 1, stride, bias=False
                )

        def forward(self, x):
            activated = torch.relu(self.bn1(x))
            kept = activated
            if self.shortcut is not None:
                kept = self.shortcut(activated)
            x = self.conv1(activated)
            return self.conv2(torch.relu(self.bn2(x))) + kept

    blocks, inputs = [], 64
    for filters, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for block_stride in (stride, 1):
            blocks.append(Block(inputs, filters, block_stride))
            inputs = filters
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, 1, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(inputs, num_classes),
    )
