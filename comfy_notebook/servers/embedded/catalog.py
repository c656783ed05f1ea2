"""The nodes of the built-in engine, declared as data: the real names and schemas of ComfyUI 0.3.75."""

from __future__ import annotations

from types import MappingProxyType

from comfy_notebook.servers.embedded.schema import (
    Input,
    Schema,
    choice,
    combo,
    integer,
    listed,
    modern_socket,
    number,
    socket,
    switch,
    text,
)

BUILT_IN_MODEL = "built-in abstract art (no model)"
STAND_INS = frozenset(
    {"CheckpointLoaderSimple", "CLIPTextEncode", "EmptyLatentImage", "KSampler", "VAEDecode", "VAEEncode"},
)

_UPSCALERS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
# fmt: off
_SAMPLERS = (
    "euler", "euler_cfg_pp", "euler_ancestral", "euler_ancestral_cfg_pp", "heun", "heunpp2", "dpm_2",
    "dpm_2_ancestral", "lms", "dpm_fast", "dpm_adaptive", "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp", "dpmpp_sde", "dpmpp_sde_gpu", "dpmpp_2m", "dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde", "dpmpp_2m_sde_gpu", "dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu", "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu", "ddpm", "lcm", "ipndm", "ipndm_v", "deis", "res_multistep",
    "res_multistep_cfg_pp", "res_multistep_ancestral", "res_multistep_ancestral_cfg_pp",
    "gradient_estimation", "gradient_estimation_cfg_pp", "er_sde", "seeds_2", "seeds_3", "sa_solver",
    "sa_solver_pece", "ddim", "uni_pc", "uni_pc_bh2",
)
_SCHEDULERS = (
    "simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal",
    "linear_quadratic", "kl_optimal",
)
# fmt: on
_LARGEST_SIDE = 16384
_LARGEST_SEED = 2**64 - 1
_LARGEST_PRIMITIVE = 2**63 - 1


def _side(default: int = 512, low: int = 1) -> Input:
    return integer(default, low, _LARGEST_SIDE, step=1)


def _latent_side() -> Input:
    return integer(512, 16, _LARGEST_SIDE, step=8)


def _fps() -> Input:
    return number(6.0, 0.01, 1000.0, step=0.01)


def _stand_in(what: str) -> str:
    return f"Stand-in of comfy_notebook's built-in engine, no model: {what}"


# fmt: off
_IMAGES = (
    Schema(
        "EmptyImage", "EmptyImage", "image", "nodes",
        required={
            "width": _side(), "height": _side(),
            "batch_size": integer(1, 1, 4096),
            "color": integer(0, 0, 0xFFFFFF, step=1, display="color"),
        },
        outputs=("IMAGE",),
    ),
    Schema(
        "LoadImage", "Load Image", "image", "nodes",
        required={"image": listed("image", image_upload=True)},
        outputs=("IMAGE", "MASK"),
    ),
    Schema(
        "LoadImageMask", "Load Image (as Mask)", "mask", "nodes",
        required={
            "image": listed("any", image_upload=True),
            "channel": choice("alpha", "red", "green", "blue"),
        },
        outputs=("MASK",),
    ),
    Schema(
        "ImageInvert", "Invert Image", "image", "nodes",
        required={"image": socket("IMAGE")},
        outputs=("IMAGE",),
    ),
    Schema(
        "ImageBatch", "Batch Images", "image", "nodes",
        required={"image1": socket("IMAGE"), "image2": socket("IMAGE")},
        outputs=("IMAGE",),
    ),
    Schema(
        "SaveImage", "Save Image", "image", "nodes",
        required={"images": modern_socket("IMAGE"), "filename_prefix": text("ComfyUI")},
        output_node=True, hidden=True,
    ),
    Schema(
        "PreviewImage", "Preview Image", "image", "nodes",
        required={"images": socket("IMAGE")},
        output_node=True, hidden=True,
    ),
    Schema(
        "SaveAnimatedWEBP", "SaveAnimatedWEBP", "image/animation", "comfy_extras.nodes_images",
        required={
            "images": socket("IMAGE"), "filename_prefix": text("ComfyUI"),
            "fps": _fps(), "lossless": switch(default=True),
            "quality": integer(80, 0, 100), "method": choice("default", "fastest", "slowest"),
        },
        output_node=True, hidden=True,
    ),
    Schema(
        "SaveAnimatedPNG", "SaveAnimatedPNG", "image/animation", "comfy_extras.nodes_images",
        required={
            "images": socket("IMAGE"), "filename_prefix": text("ComfyUI"),
            "fps": _fps(), "compress_level": integer(4, 0, 9),
        },
        output_node=True, hidden=True,
    ),
)

_TRANSFORMS = (
    Schema(
        "ImageScale", "Upscale Image", "image/upscaling", "nodes",
        required={
            "image": socket("IMAGE"), "upscale_method": choice(*_UPSCALERS),
            "width": _side(low=0), "height": _side(low=0),
            "crop": choice("disabled", "center"),
        },
        outputs=("IMAGE",),
    ),
    Schema(
        "ImageScaleBy", "Upscale Image By", "image/upscaling", "nodes",
        required={
            "image": socket("IMAGE"), "upscale_method": choice(*_UPSCALERS),
            "scale_by": number(1.0, 0.01, 8.0, step=0.01),
        },
        outputs=("IMAGE",),
    ),
    Schema(
        "ImageCrop", "Image Crop", "image/transform", "comfy_extras.nodes_images",
        required={
            "image": socket("IMAGE"), "width": _side(), "height": _side(),
            "x": _side(default=0, low=0), "y": _side(default=0, low=0),
        },
        outputs=("IMAGE",),
    ),
    Schema(
        "ImageBlend", None, "image/postprocessing", "comfy_extras.nodes_post_processing",
        required={
            "image1": modern_socket("IMAGE"), "image2": modern_socket("IMAGE"),
            "blend_factor": number(0.5, 0.0, 1.0, step=0.01),
            "blend_mode": combo("normal", "multiply", "screen", "overlay", "soft_light", "difference"),
        },
        outputs=("IMAGE",), modern=True,
    ),
    Schema(
        "ImageBlur", None, "image/postprocessing", "comfy_extras.nodes_post_processing",
        required={
            "image": modern_socket("IMAGE"),
            "blur_radius": integer(1, 1, 31, step=1),
            "sigma": number(1.0, 0.1, 10.0, step=0.1),
        },
        outputs=("IMAGE",), modern=True,
    ),
)

_VIDEO = (
    Schema(
        "CreateVideo", "Create Video", "image/video", "comfy_extras.nodes_video",
        required={"images": modern_socket("IMAGE"), "fps": number(30.0, 1.0, 120.0, step=1.0)},
        optional={"audio": modern_socket("AUDIO")},
        outputs=("VIDEO",), modern=True,
    ),
    Schema(
        "SaveVideo", "Save Video", "image/video", "comfy_extras.nodes_video",
        required={
            "video": modern_socket("VIDEO"),
            "filename_prefix": text("video/ComfyUI", multiline=False),
            "format": combo("auto", "mp4", default="auto"),
            "codec": combo("auto", "h264", default="auto"),
        },
        output_node=True, modern=True, hidden=True,
    ),
    Schema(
        "SaveWEBM", None, "image/video", "comfy_extras.nodes_video",
        required={
            "images": modern_socket("IMAGE"),
            "filename_prefix": text("ComfyUI", multiline=False),
            "codec": combo("vp9", "av1"),
            "fps": number(24.0, 0.01, 1000.0, step=0.01),
            "crf": number(32.0, 0, 63.0, step=1),
        },
        output_node=True, modern=True, experimental=True, hidden=True,
    ),
)

_AUDIO = (
    Schema(
        "EmptyAudio", "Empty Audio", "audio", "comfy_extras.nodes_audio",
        required={
            "duration": number(60.0, 0.0, _LARGEST_SEED, step=0.01),
            "sample_rate": integer(44100, None, None),
            "channels": integer(2, 1, 2),
        },
        outputs=("AUDIO",),
    ),
    Schema(
        "LoadAudio", "Load Audio", "audio", "comfy_extras.nodes_audio",
        required={"audio": listed("audio", audio_upload=True)},
        outputs=("AUDIO",),
    ),
    Schema(
        "SaveAudio", "Save Audio (FLAC)", "audio", "comfy_extras.nodes_audio",
        required={"audio": socket("AUDIO"), "filename_prefix": text("audio/ComfyUI")},
        output_node=True, hidden=True,
    ),
    Schema(
        "SaveAudioMP3", "Save Audio (MP3)", "audio", "comfy_extras.nodes_audio",
        required={
            "audio": socket("AUDIO"), "filename_prefix": text("audio/ComfyUI"),
            "quality": choice("V0", "128k", "320k", default="V0"),
        },
        output_node=True, hidden=True,
    ),
    Schema(
        "SaveAudioOpus", "Save Audio (Opus)", "audio", "comfy_extras.nodes_audio",
        required={
            "audio": socket("AUDIO"), "filename_prefix": text("audio/ComfyUI"),
            "quality": choice("64k", "96k", "128k", "192k", "320k", default="128k"),
        },
        output_node=True, hidden=True,
    ),
)

_TEXTS = (
    Schema(
        "PreviewAny", "Preview as Text", "utils", "comfy_extras.nodes_preview_any",
        required={"source": modern_socket("*")},
        output_node=True,
    ),
    Schema(
        "StringConcatenate", "Concatenate", "utils/string", "comfy_extras.nodes_string",
        required={
            "string_a": text(multiline=True), "string_b": text(multiline=True),
            "delimiter": text("", multiline=False),
        },
        outputs=("STRING",), modern=True,
    ),
    *(
        Schema(
            name, title, "utils/primitive", "comfy_extras.nodes_primitive",
            required={"value": value}, outputs=(str(value.type),), modern=True,
        )
        for name, title, value in (
            ("PrimitiveString", "String", text(multiline=False)),
            ("PrimitiveStringMultiline", "String (Multiline)", text(multiline=True)),
            (
                "PrimitiveInt", "Int",
                integer(None, -_LARGEST_PRIMITIVE, _LARGEST_PRIMITIVE, control_after_generate=True),
            ),
            ("PrimitiveFloat", "Float", number(None, -_LARGEST_PRIMITIVE, _LARGEST_PRIMITIVE)),
            ("PrimitiveBoolean", "Boolean", switch()),
        )
    ),
)

_DIFFUSION = (
    Schema(
        "CheckpointLoaderSimple", "Load Checkpoint", "loaders", "nodes",
        required={"ckpt_name": Input((BUILT_IN_MODEL,), {})},
        outputs=("MODEL", "CLIP", "VAE"),
        description=_stand_in("any name is taken, nothing is loaded."),
    ),
    Schema(
        "CLIPTextEncode", "CLIP Text Encode (Prompt)", "conditioning", "nodes",
        required={"text": text(multiline=True, dynamicPrompts=True), "clip": modern_socket("CLIP")},
        outputs=("CONDITIONING",),
        description=_stand_in("words choose colours and forms."),
    ),
    Schema(
        "EmptyLatentImage", "Empty Latent Image", "latent", "nodes",
        required={
            "width": _latent_side(), "height": _latent_side(),
            "batch_size": integer(1, 1, 4096),
        },
        outputs=("LATENT",),
    ),
    Schema(
        "KSampler", "KSampler", "sampling", "nodes",
        required={
            "model": modern_socket("MODEL"),
            "seed": integer(0, 0, _LARGEST_SEED, control_after_generate=True),
            "steps": integer(20, 1, 10000),
            "cfg": number(8.0, 0.0, 100.0, step=0.1, round=0.01),
            "sampler_name": Input(_SAMPLERS, {}), "scheduler": Input(_SCHEDULERS, {}),
            "positive": modern_socket("CONDITIONING"), "negative": modern_socket("CONDITIONING"),
            "latent_image": modern_socket("LATENT"),
            "denoise": number(1.0, 0.0, 1.0, step=0.01),
        },
        outputs=("LATENT",),
        description=_stand_in("draws an abstract picture."),
    ),
    Schema(
        "VAEDecode", "VAE Decode", "latent", "nodes",
        required={"samples": modern_socket("LATENT"), "vae": modern_socket("VAE")},
        outputs=("IMAGE",),
        description=_stand_in("paints what KSampler has drawn."),
    ),
    Schema(
        "VAEEncode", "VAE Encode", "latent", "nodes",
        required={"pixels": socket("IMAGE"), "vae": socket("VAE")},
        outputs=("LATENT",),
        description=_stand_in("keeps the picture for KSampler to start from."),
    ),
    Schema(
        "SaveLatent", "SaveLatent", "_for_testing", "nodes",
        required={"samples": socket("LATENT"), "filename_prefix": text("latents/ComfyUI")},
        output_node=True, hidden=True,
    ),
)

# fmt: on
CATALOG = MappingProxyType(
    {each.name: each for each in (*_IMAGES, *_TRANSFORMS, *_VIDEO, *_AUDIO, *_TEXTS, *_DIFFUSION)},
)
