"""The benchmark's VAE as a plain PyTorch loop, where PyTorch is installed: 784-500-20, Adam, batches gathered from memory."""

from collections.abc import Callable

import numpy as np


def torch_runner(images: np.ndarray, batch_size: int) -> Callable[[int], None] | None:
    """A function that trains so many steps, or None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    from torch import nn

    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    data = torch.from_numpy(images.reshape(len(images), -1)).to(device)
    encoder = nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 40)).to(device)
    decoder = nn.Sequential(nn.Linear(20, 500), nn.ReLU(), nn.Linear(500, 784)).to(device)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    cross_entropy = nn.BCEWithLogitsLoss(reduction='sum')

    def step() -> None:
        x = data[torch.randint(len(data), (batch_size,), device=device)].float() / 255
        mean, log_variance = encoder(x).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        kl = 0.5 * torch.sum(log_variance.exp() + mean**2 - log_variance - 1)
        loss = (cross_entropy(decoder(z), x) + kl) / batch_size
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def run(steps: int) -> None:
        for _ in range(steps):
            step()
        if device == 'cuda':
            torch.cuda.synchronize()

    return run
