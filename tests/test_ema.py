import pytest
import torch
from torch import nn

from skdeepclust.nn import MomentumCopy


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def moved(student):
    """Add 1 to every parameter, as a training step would change them."""
    with torch.no_grad():
        for p in student.parameters():
            p.add_(1)
    return student


def test_a_momentum_of_three_quarters_moves_a_quarter_of_the_way():
    student = nn.Linear(1, 1, bias=False)
    nn.init.constant_(student.weight, 2.0)
    teacher = MomentumCopy(student)
    nn.init.constant_(student.weight, 6.0)
    teacher.update(student, 0.75)
    assert teacher.net.weight.item() == 3.0
    teacher.update(student, 0.75)
    assert teacher.net.weight.item() == 3.75
    assert student.weight.item() == 6.0


@pytest.mark.parametrize(("momentum", "step"), [(1.0, 0.0), (0.0, 1.0), (0.9, 0.1)])
def test_every_parameter_moves_alike(momentum, step):
    student = network()
    before = [p.clone() for p in student.parameters()]
    teacher = MomentumCopy(student)
    teacher.update(moved(student), momentum)
    for p, start in zip(teacher.parameters(), before, strict=True):
        torch.testing.assert_close(p - start, torch.full_like(p, step), atol=1e-6, rtol=0)


def test_averages_of_batchnorm_come_from_the_teachers_own_batches():
    student = network()
    teacher = MomentumCopy(student)
    student(5 + torch.rand(8, 3))
    teacher.update(student, 0.5)
    norm = teacher.net[1]
    assert not norm.running_mean.any()
    assert norm.num_batches_tracked == 0
    x = torch.rand(8, 3)
    teacher(x)
    expected = 0.1 * teacher.net[0](x).mean(0)
    torch.testing.assert_close(norm.running_mean, expected)


def test_a_teacher_shares_nothing_with_its_student_and_has_no_gradients():
    student = network()
    teacher = MomentumCopy(student)
    x = torch.rand(5, 3, requires_grad=True)
    torch.testing.assert_close(teacher(x), student(x).detach())
    assert not teacher(x).requires_grad
    assert not any(p.requires_grad for p in teacher.parameters())
    assert all(p.requires_grad for p in student.parameters())
    moved(student)
    for p, q in zip(teacher.parameters(), student.parameters(), strict=True):
        assert not torch.equal(p, q)


def test_an_update_is_in_place():
    student = network()
    teacher = MomentumCopy(student)
    places = [p.data_ptr() for p in teacher.parameters()]
    teacher.update(moved(student), 0.5)
    assert [p.data_ptr() for p in teacher.parameters()] == places
