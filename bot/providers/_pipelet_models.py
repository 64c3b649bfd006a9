"""The models of Pipelet (rulings 10, 11 and 15)."""

from bot.domain.generation import Aspect, Capability, Frame, ModelSpec, Option, Quality, Size

_SECONDS = Option("duration", 1, 7)
_USUAL = {Quality.STANDARD: 90.0, Quality.HIGH: 180.0}
_LONGEST = {Quality.STANDARD: 7.0, Quality.HIGH: 5.0}


def _pair(aspect: Aspect, quality: Quality, width: int, height: int) -> Size:
    fields = {"width": width, "height": height}
    return Size(aspect, quality, fields, usual_seconds=_USUAL[quality], max_duration=_LONGEST[quality])


def _height(quality: Quality, height: int) -> Size:
    return Size(
        None,
        quality,
        {"height": height},
        Frame(height=height),
        usual_seconds=_USUAL[quality],
        max_duration=_LONGEST[quality],
    )


_T2V_SIZES = (
    _pair(Aspect.LANDSCAPE, Quality.STANDARD, 832, 480),
    _pair(Aspect.PORTRAIT, Quality.STANDARD, 480, 832),
    _pair(Aspect.SQUARE, Quality.STANDARD, 512, 512),
    _pair(Aspect.LANDSCAPE, Quality.HIGH, 1280, 720),
    _pair(Aspect.PORTRAIT, Quality.HIGH, 720, 1280),
    _pair(Aspect.SQUARE, Quality.HIGH, 768, 768),
)
_I2V_SIZES = (_height(Quality.STANDARD, 480), _height(Quality.HIGH, 720))


def _model(model: str, capability: Capability, sizes: tuple[Size, ...], image: str | None = None) -> ModelSpec:
    return ModelSpec(
        id=model,
        provider="pipelet",
        capability=capability,
        path=f"/queue/{model}",
        usual_seconds=_USUAL[Quality.STANDARD],
        sizes=sizes,
        duration=_SECONDS,
        image=image,
    )


MODELS: tuple[ModelSpec, ...] = (
    *(_model(f"wan22-fast-t2v{tier}", Capability.TEXT_TO_VIDEO, _T2V_SIZES) for tier in ("", "-premium", "-pro")),
    *(
        _model(f"wan22-fast-i2v{tier}", Capability.IMAGE_TO_VIDEO, _I2V_SIZES, "data_uri")
        for tier in ("", "-vip", "-pro")
    ),
)
