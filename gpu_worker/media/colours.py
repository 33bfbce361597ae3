"""The conversion of a source's colours to those of every output: BT.709, 8 bits, limited range."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpu_worker.domain.geometry import Geometry

# ffprobe's names of SMPTE ST 2084 (PQ: HDR10, HDR10+, Dolby Vision 8.1) and ARIB STD-B67 (HLG, Dolby Vision 8.4).
HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})
WIDE_PRIMARIES = "bt2020"
# cd/m2 that become SDR white: HDR reference white of ITU-R BT.2408. A lower value washes faces out, a higher one
# darkens them.
REFERENCE_WHITE = 203
HD_HEIGHT = 720  # lines; untagged pictures of at least this height are BT.709, smaller ones BT.601, as in players
TAGS = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv")
# ffprobe's name of a matrix -> zscale's; any other counts as untagged
MATRICES = {"bt709": "709", "smpte170m": "170m", "bt470bg": "470bg", "fcc": "fcc", "smpte240m": "240m"}
RGB = ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8")  # how ffmpeg's names of RGB pixel formats start


@dataclass(frozen=True)
class Colours:
    """The colours of a source, in ffprobe's terms; None where it names none. is_full: levels 0-255, not 16-235."""

    transfer: str | None = None
    primaries: str | None = None
    matrix: str | None = None
    is_full: bool = False
    is_rgb: bool = False

    @property
    def is_hdr(self) -> bool:
        """Whether the brightness goes beyond SDR and must be mapped."""
        return self.transfer in HDR_TRANSFERS


def read_colours(stream: Mapping[str, Any]) -> Colours:
    """Reads ffprobe's description of a video stream."""

    def known(name: str) -> str | None:
        value = stream.get(name)
        return value if isinstance(value, str) and value not in ("unknown", "reserved") else None

    return Colours(
        transfer=known("color_transfer"),
        primaries=known("color_primaries"),
        matrix=known("color_space"),
        is_full=stream.get("color_range") == "pc",
        is_rgb=str(stream.get("pix_fmt", "")).startswith(RGB),
    )


def is_unconvertible(stream: Mapping[str, Any]) -> bool:
    """Returns whether a stream is Dolby Vision without a base layer that other players can show (profile 5): it would
    turn green and purple."""
    records = [data for data in stream.get("side_data_list", []) if "dv_profile" in data]
    return any(record.get("dv_bl_signal_compatibility_id") == 0 for record in records)


def scaling_filters(colours: Colours, height: int, geometry: Geometry) -> str:
    """Returns the filters that bring a cropped picture to the output's size and colours.

    height: of the source's picture, lines. Scaling comes first, because tone mapping needs 12 bytes for each pixel.
    """
    size = f"scale={geometry.width}:{geometry.height}:flags=bicubic"
    if colours.is_hdr or colours.primaries == WIDE_PRIMARIES:
        return f"{size},format=yuv420p10le,{_wide_to_709(colours)},setsar=1,format=yuv420p"
    guess = "709" if height >= HD_HEIGHT else "170m"
    matrix = MATRICES.get(colours.matrix or "", guess)
    if matrix == "709" or colours.is_rgb:
        return f"{size}:in_color_matrix=bt709:out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p"
    # not in the scale filter, whose conversion between matrices loses half of the shades
    to_709 = f"zscale=min={matrix}:rin=limited:m=709:r=limited"
    return f"{size}:out_range=tv,format=yuv420p,{to_709},setsar=1,format=yuv420p"


def _wide_to_709(colours: Colours) -> str:
    # BT.2020's own SDR curve is that of BT.709. Missing tags are filled in, because zscale refuses unknown ones.
    transfer = colours.transfer if colours.is_hdr else "bt709"
    matrix = "bt709" if colours.matrix == "bt709" else "bt2020nc"
    levels = "pc" if colours.is_full else "tv"
    tagged = f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace={matrix}:range={levels}"
    linear = f"{tagged},zscale=t=linear:npl={REFERENCE_WHITE}"
    # mobius keeps everything up to 0.3 of white and compresses only what is brighter, so that faces keep their light
    bend = "tonemap=tonemap=mobius:desat=0," if colours.is_hdr else ""
    return f"{linear},format=gbrpf32le,zscale=p=709,{bend}zscale=t=709:m=709:r=limited"
