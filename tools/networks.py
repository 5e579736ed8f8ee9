"""The PyTorch networks behind `models/`: small, but built like the families they stand for."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution without bias, then batch normalization."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, which is a projection where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        """Build a block from `inputs` to `outputs` channels."""
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride)
        self.second = _convolution(outputs, outputs, 3)
        same_shape = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same_shape else _convolution(inputs, outputs, 1, stride)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        branch = self.second(self.activation(self.first(x)))
        return self.activation(branch + self.shortcut(x))


class ResidualCNN(nn.Module):
    """A residual network of three strided stages (32, 64, 128 channels) with two blocks each."""

    def __init__(self, classes: int = 10) -> None:
        """Build the network."""
        super().__init__()
        self.stem = nn.Sequential(_convolution(3, 32, 3), nn.ReLU())
        self.stages = nn.Sequential(
            ResidualBlock(32, 32, 2),
            ResidualBlock(32, 32, 1),
            ResidualBlock(32, 64, 2),
            ResidualBlock(64, 64, 1),
            ResidualBlock(64, 128, 2),
            ResidualBlock(128, 128, 1),
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch of images."""
        return self.head(self.pool(self.stages(self.stem(x))))


class SqueezeExcite(nn.Module):
    """Scale every channel by a gate computed from the average of all channels."""

    def __init__(self, channels: int, squeezed: int) -> None:
        """Build a gate for `channels` that passes through `squeezed` channels."""
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(),
            nn.Conv2d(squeezed, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the gated input."""
        return x * self.gate(x)


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, gate, project; with a shortcut where the shape stays."""

    def __init__(self, inputs: int, expanded: int, outputs: int, stride: int, gated: bool) -> None:
        """Build a block that works on `expanded` channels inside, with a gate if `gated`."""
        super().__init__()
        self.has_shortcut = inputs == outputs and stride == 1
        gate = [SqueezeExcite(expanded, expanded // 4)] if gated else []
        self.branch = nn.Sequential(
            _convolution(inputs, expanded, 1),
            nn.Hardswish(),
            _convolution(expanded, expanded, 3, stride, groups=expanded),
            nn.Hardswish(),
            *gate,
            _convolution(expanded, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.branch(x)
        return x + y if self.has_shortcut else y


class MobileNet(nn.Module):
    """Inverted residuals with squeeze-excite and hard-swish, after MobileNetV3."""

    def __init__(self, classes: int = 10) -> None:
        """Build the network."""
        super().__init__()
        self.stem = nn.Sequential(_convolution(3, 16, 3, 2), nn.Hardswish())
        self.blocks = nn.Sequential(
            InvertedResidual(16, 64, 24, 1, gated=False),
            InvertedResidual(24, 96, 24, 1, gated=False),
            InvertedResidual(24, 96, 40, 2, gated=True),
            InvertedResidual(40, 160, 40, 1, gated=True),
            InvertedResidual(40, 160, 40, 1, gated=True),
            InvertedResidual(40, 160, 64, 2, gated=True),
            InvertedResidual(64, 256, 64, 1, gated=True),
        )
        self.last = nn.Sequential(_convolution(64, 256, 1), nn.Hardswish())
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(256, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch of images."""
        return self.head(self.pool(self.last(self.blocks(self.stem(x)))))


class Attention(nn.Module):
    """Multi-head self-attention with one fused query-key-value projection."""

    def __init__(self, width: int, heads: int) -> None:
        """Build attention over tokens of `width` numbers, shared out among `heads`."""
        super().__init__()
        self.heads = heads
        self.head_width = width // heads
        self.scale = self.head_width**-0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return what every token gathers from all tokens."""
        batch, tokens, width = x.shape
        split = self.qkv(x).reshape(batch, tokens, 3, self.heads, self.head_width)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        weights = torch.softmax((query * self.scale) @ key.transpose(-2, -1), dim=-1)
        return self.projection((weights @ value).transpose(1, 2).reshape(batch, tokens, width))


class TransformerBlock(nn.Module):
    """Attention and a two-layer perceptron, each normalized before and added to the stream."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        """Build a block on tokens of `width` numbers; the perceptron widens them to `hidden`."""
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class VisionTransformer(nn.Module):
    """A pre-norm vision transformer with a class token and learned positions.

    One token stands for 4x4 pixels. Three small convolutions make the tokens: with fewer it learns
    too slowly to be trained in minutes.
    """

    def __init__(self, classes: int = 10, width: int = 96, depth: int = 6, heads: int = 4) -> None:
        """Build the network; `depth` is its number of blocks."""
        super().__init__()
        self.patches = nn.Sequential(
            _convolution(3, 32, 3, 2),
            nn.ReLU(),
            _convolution(32, 64, 3),
            nn.ReLU(),
            _convolution(64, width, 3, 2),
        )
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 65, width) * 0.02)
        blocks = (TransformerBlock(width, heads, 4 * width) for _ in range(depth))
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch of images."""
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        leading = self.class_token.expand(x.shape[0], -1, -1)
        tokens = torch.cat([leading, tokens], dim=1) + self.positions
        return self.head(self.norm(self.blocks(tokens))[:, 0])
