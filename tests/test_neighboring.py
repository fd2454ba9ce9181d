"""What neighbour embeddings share: standardised outputs, spaces side by side, full batches."""

import pytest
import torch
from torch import nn

from skdeepclust.families.neighboring import EmbeddingNetwork, Spaces
from skdeepclust.nn import PrincipalSpaces


def test_standardizing_twice_is_standardizing_once():
    net = EmbeddingNetwork(nn.Identity(), 2)
    x = 3 * torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) + 5
    for _ in range(2):
        net.standardize(net(x))
        torch.testing.assert_close(net(x).mean(0), torch.zeros(2), rtol=0, atol=1e-5)
        assert net(x).square().mean().item() == pytest.approx(1, abs=1e-5)


def test_a_network_that_gives_one_value_is_only_centred():
    net = EmbeddingNetwork(nn.Identity(), 2)
    net.standardize(net(torch.full((5, 2), 3.0)))
    assert not net(torch.full((5, 2), 3.0)).any()


@pytest.mark.parametrize(("reads_components", "width"), [(True, 2), (False, 3)])
def test_spaces_lie_side_by_side(reads_components, width):
    principal = PrincipalSpaces([3], 2)
    net = EmbeddingNetwork(nn.Linear(width, 1), 1)
    spaces = Spaces(principal, [net], reads_components=reads_components)
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    assert spaces.widths == [2, 1]
    read = principal(x) if reads_components else x
    torch.testing.assert_close(spaces(x), torch.cat([principal(x), net(read)], 1))
    torch.testing.assert_close(spaces.embed(x, 0), net(read))
