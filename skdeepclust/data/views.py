"""Which augmentation suits which data: sets that papers or trials found to work."""

from __future__ import annotations

from .augment import (
    Augment,
    ColorJitter,
    Compose,
    Cutout,
    FeatureResampling,
    GaussianBlur,
    GaussianNoise,
    Grayscale,
    HorizontalFlip,
    Noise,
    RandAugment,
    RandomAffine,
    RandomResizedCrop,
    Solarize,
)

TINY = 16  # pixels, of height or width: a crop of 8 % would be four pixels wide


def simclr_view(size: tuple[int, int] | None = None, min_crop: float = 0.08) -> Augment:
    """Crop, flip, colour jitter and grey, for colour images whose mirror image means the same.

    Parameters
    ----------
    size : (int, int) or None, default=None
        Height and width of the result; None keeps those of the input.
    min_crop : float, default=0.08
        Smallest area of the crop, as a fraction of the image's.

    Returns
    -------
    augment : callable (batch, generator) -> batch

    References
    ----------
    Chen et al., SimCLR, ICML 2020, with the strengths of HaDis and without blur.
    """
    return Compose(
        RandomResizedCrop(size, (min_crop, 1.0)),
        HorizontalFlip(),
        ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        Grayscale(0.2),
    )


def secu_views(
    size: tuple[int, int] | None = None, min_crop: float = 0.2
) -> tuple[Augment, Augment]:
    """Two different views of colour images: always blurred; seldom blurred, sometimes solarised.

    Parameters
    ----------
    size : (int, int) or None, default=None
        Height and width of the result; None keeps those of the input.
    min_crop : float, default=0.2
        Smallest area of the crop, as a fraction of the image's. SeCu takes 0.3 on CIFAR-10, 0.2
        on CIFAR-100 and STL-10 and 0.08 on ImageNet.

    Returns
    -------
    first, second : callables (batch, generator) -> batch

    References
    ----------
    Qian, SeCu, ICCV 2023; after Grill et al., BYOL, NeurIPS 2020.
    """

    def view(blur: float, solarize: float) -> Augment:
        return Compose(
            RandomResizedCrop(size, (min_crop, 1.0)),
            ColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8),
            Grayscale(0.2),
            GaussianBlur(p=blur),
            Solarize(p=solarize),
            HorizontalFlip(),
        )

    return view(1.0, 0.0), view(0.1, 0.2)


def small_image_view() -> Augment:
    """Motion, gain and noise without flips, for digits, letters and other small grey images.

    Returns
    -------
    augment : callable (batch, generator) -> batch

    Notes
    -----
    A mirrored digit may be none. The strengths come from trials on the 8 x 8 digits.
    """
    return Compose(
        RandomAffine(15.0, 1 / 8, (0.85, 1.15), 0.15), ColorJitter(brightness=0.3), Noise(0.05)
    )


def vector_view() -> Augment:
    """Noise and values from other rows, for standardised vectors.

    Returns
    -------
    augment : callable (batch, generator) -> batch

    References
    ----------
    Bahri et al., SCARF, ICLR 2022. The strengths come from trials on small tables.
    """
    return Compose(GaussianNoise(0.3), FeatureResampling(0.2))


def strong_view(sample_shape: tuple[int, ...], cutout: float = 0.5) -> Augment:
    """What self-labelling learns from: images shifted, distorted in four ways and with a hole.

    Colour images are flipped, too, unless they are tiny. Vectors get `vector_view`.

    Parameters
    ----------
    sample_shape : tuple of int
        ``(d,)`` or ``(C, H, W)``.
    cutout : float, default=0.5
        Longest side of the hole, as a fraction of the shorter side of the image; SCAN takes 16 of
        32 pixels on CIFAR and 32 of 96 on STL-10.

    Returns
    -------
    augment : callable (batch, generator) -> batch

    References
    ----------
    Van Gansbeke et al., SCAN, ECCV 2020. The crop is a shift of up to an eighth, as in FixMatch.
    """
    if not _is_image(sample_shape):
        return vector_view()
    strong = (RandomAffine(translate=1 / 8), RandAugment(4), Cutout(cutout))
    return Compose(HorizontalFlip(), *strong) if _may_flip(sample_shape) else Compose(*strong)


def auto_views(sample_shape: tuple[int, ...]) -> tuple[Augment, Augment]:
    """Two views that suit samples of this shape; here the two are drawn in the same way.

    Parameters
    ----------
    sample_shape : tuple of int
        ``(d,)``: `vector_view`. ``(C, H, W)``: `simclr_view` for colour images, and
        `small_image_view` for grey ones and those less than 16 pixels high or wide.

    Returns
    -------
    first, second : callables (batch, generator) -> batch

    Raises
    ------
    ValueError
        If the shape is neither that of a vector nor that of an image.
    """
    if not _is_image(sample_shape):
        view = vector_view()
    elif _may_flip(sample_shape):
        view = simclr_view()
    else:
        view = small_image_view()
    return view, view


def _is_image(sample_shape: tuple[int, ...]) -> bool:
    if len(sample_shape) not in (1, 3):
        raise ValueError(
            f"sample_shape={sample_shape} should be (d,) for vectors or (C, H, W) for images."
        )
    return len(sample_shape) == 3


def _may_flip(image_shape: tuple[int, ...]) -> bool:
    # Grey or tiny images are often characters, which their mirror image turns into others.
    return image_shape[0] > 1 and min(image_shape[1:]) >= TINY
