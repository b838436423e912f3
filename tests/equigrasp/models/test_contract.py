"""Every model, and the variants of the equivariant ones, keeps the contract of models."""

from equigrasp.testing import ModelContract


class TestEquiGIGA(ModelContract):
    config = {"name": "equigiga", "resolution": 8, "fields": 2, "head_fields": 4, "head_blocks": 1}


class TestEquiGIGASummed(ModelContract):
    config = {**TestEquiGIGA.config, "side_features": "sum", "deform": "full", "exchange": False}
    config |= {"depth": 2}  # graphs of deformable levels take long to export


class TestEquiGIGAOfOrbits(ModelContract):
    config = {**TestEquiGIGA.config, "layers": {"kernels": "orbits"}}
    test_onnx_gives_the_same_answers = None  # the operators of another one here


class TestEquiGIGAOfVolumes(ModelContract):
    config = {**TestEquiGIGA.config, "backbone": "volume"}


class TestEquiGIGAPublished(ModelContract):
    config = {
        **TestEquiGIGA.config,
        "depth": 2,
        "side_features": "plain",
        "deform_xy": "published",
        "deform_side": "full",
        "norm": "nowhere",
        "rows": "gram_schmidt",
        "layers": {
            "inputs": "value",
            "lifting": "separate",
            "kernels": "escnn",
            "pool": "average",
            "fusion": "concatenate",
            "registration": "corners",
        },
    }


class TestEquiGIGAWithPlainHeads(ModelContract):
    config = {**TestEquiGIGA.config, "head": "plain"}
    test_onnx_gives_the_same_answers = None  # the operators of another one here


class TestEquiGIGAWithJudge(ModelContract):
    config = {**TestEquiGIGA.config, "judge": True}


class TestEquiGIGAWithNearPoints(ModelContract):
    config = {**TestEquiGIGA.config, "near": 3, "side_features": "sum"}


class TestEquiIGD(ModelContract):
    config = {
        "name": "equiigd",
        "resolution": 8,
        "fields": 2,
        "hidden_fields": 4,
        "head_blocks": 1,
        "flow_fields": 2,
        "flow_blocks": 1,
        "steps": 2,
    }


class TestEquiIGDDiffused(ModelContract):
    config = {**TestEquiIGD.config, "flow": "diffusion"}


class TestEquiIGDDiffusedWithNoise(ModelContract):
    config = {**TestEquiIGD.config, "flow": "diffusion_ddpm", "steps": 3}
    test_onnx_gives_the_same_answers = None  # the operators of another one here


class TestGIGA(ModelContract):
    config = {"name": "giga", "resolution": 8, "channels": 4, "hidden": 8, "blocks": 1}


class TestIGD(ModelContract):
    config = {**TestGIGA.config, "name": "igd", "flow_hidden": 8, "steps": 2}


class TestPointNet(ModelContract):
    config = {"name": "pointnet", "resolution": 8, "points": 96, "neighbours": 4, "channels": 4}


class TestVGN(ModelContract):
    config = {"name": "vgn", "resolution": 8, "filters": [2, 3, 4]}
