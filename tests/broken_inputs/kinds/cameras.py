"""Poses, intrinsics and depth images as they come from cameras, through a planner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from broken_inputs.case import Case
from broken_inputs.kinds.planner import CAMERA, INF, NAN, depth, plan
from equigrasp.grasp import Grasp
from equigrasp.perception.camera import Intrinsics, fixed_view

POSE = fixed_view()


def with_entry(row: int, column: int, value: float) -> np.ndarray:
    pose = POSE.copy()
    pose[row, column] = value
    return pose


def times(factors: tuple[float, ...]) -> np.ndarray:
    return POSE @ np.diag([*factors, 1.0])


POSES = [
    ("3x4", POSE[:3], r"has shape \(3, 4\); .*add the bottom row 0 0 0 1"),
    ("3x3", POSE[:3, :3], r"has shape \(3, 3\)"),
    ("flat", POSE.ravel(), r"has shape \(16,\)"),
    ("NaN", np.full((4, 4), NAN), "is no rigid transform: it holds NaN"),
    ("NaN translation", with_entry(0, 3, NAN), "it holds NaN"),
    ("infinite translation", with_entry(2, 3, INF), "it holds NaN or infinity"),
    ("scaled", times((2.0, 2.0, 2.0)), "scaled by 2; divide"),
    ("in millimetres", 1000 * POSE, "bottom row is"),
    ("mirrored", times((1.0, 1.0, -1.0)), r"mirrored \(determinant -1\)"),
    ("one axis scaled", times((1.0, 1.0, 1.1)), "not orthonormal with determinant"),
    ("sheared", with_entry(0, 1, 0.7), "not orthonormal with determinant"),
    ("transposed", POSE.T, "bottom row is .* it is transposed"),
    ("bottom row 0 0 0 2", with_entry(3, 3, 2.0), "bottom row is .*2.0.*, not 0 0 0 1"),
    ("bottom row 0 0 0 0", with_entry(3, 3, 0.0), "bottom row is"),
    ("zeros", np.zeros((4, 4)), "bottom row is"),
    ("words", "identity", "is not an array of numbers"),
    ("ragged", [[1, 0], [0]], "is not an array of numbers"),
]


def transformed(pose: Any) -> Callable[[Path], Any]:
    return lambda folder: Grasp((0, 0, 0), np.eye(3), 0.05).transformed(pose)


def matrix(K: Any, width: Any = 640, height: Any = 480) -> Callable[[Path], Any]:
    return lambda folder: Intrinsics.from_matrix(K, width, height)


def camera(**changes: Any) -> Callable[[Path], Any]:
    return plan(intrinsics=replace(CAMERA, **changes))


K = np.array([[540.0, 0.0, 320.0], [0.0, 540.0, 240.0], [0.0, 0.0, 1.0]])
SKEWED = K + np.array([[0, 12.0, 0], [0, 0, 0], [0, 0, 0]])
MATRICES = [
    ("transposed", matrix(K.T), "last row of K is .* transposed"),
    ("skewed", matrix(SKEWED), "skew of 12"),
    ("projection", matrix(np.hstack([K, np.zeros((3, 1))])), "take the left three columns"),
    ("four numbers", matrix([540, 540, 320, 240]), r"K has shape \(4,\)"),
    ("scaled", matrix(2 * K), "last row of K"),
    ("NaN", matrix(K * NAN), "last row of K"),
    ("focal NaN", matrix(K + np.array([[NAN, 0, 0], [0, 0, 0], [0, 0, 0]])), "skew|fx is nan"),
    ("in millimetres", matrix([1.93, 0, 320, 0, 1.93, 240, 0, 0, 1]), "fx is 1.93 px.*millimetres"),
    ("normalised", matrix([0.84, 0, 0.5, 0, 1.1, 0.5, 0, 0, 1]), "fx is 0.84 px"),
    ("words", matrix("K"), "K is not an array of numbers"),
    ("size swapped", matrix(K, 240, 320), "principal point .* lies outside"),
    ("size as words", matrix(K, "640", "480"), "give whole pixels"),
    ("size as floats", matrix(K, 640.5, 480), "give whole pixels"),
]
CAMERAS = [
    ("fx NaN", camera(fx=NAN), "fx is nan; "),
    ("fx infinite", camera(fx=INF), "fx is inf; "),
    ("fx as word", camera(fx="54"), "fx is '54'; "),
    ("fy zero", camera(fy=0.0), "focal lengths are positive"),
    ("fx negative", camera(fx=-54.0, fy=-54.0), "focal lengths are positive"),
    ("fx 1.93", camera(fx=1.93, fy=1.93), "fx is 1.93 px"),
    ("fx of a telescope", camera(fx=1e5, fy=1e5), "fx is 1e.05 px"),
    ("fx/fy", camera(fx=200.0), "fx/fy is"),
    ("cx NaN", camera(cx=NAN), "cx is nan; "),
    ("cx outside", camera(cx=100.0), "principal point .* outside"),
    ("cx swapped", camera(cx=24.0, cy=52.0), "may be swapped"),
    ("a matrix", plan(intrinsics=K), "Intrinsics.from_matrix"),
    ("None", plan(intrinsics=None), "is of type NoneType; give Intrinsics"),
    ("a dict", plan(intrinsics=CAMERA.to_dict()), "is of type dict; give Intrinsics"),
    ("two for one", plan(intrinsics=[CAMERA, CAMERA]), "1 depth images, 1 poses .* and 2 intrin"),
]
WIDE = np.where(np.arange(64) < 2, 0.5, 500.0) * np.ones((48, 1))
IMAGES = [
    ("uint16", (1000 * depth()).astype(np.uint16), "uint16.*depth_scale=0.001"),
    ("whole numbers", np.ones((48, 64), int), "give metres as floating point"),
    ("flags", np.ones((48, 64), bool), "dtype bool"),
    ("complex", depth() + 0j, "dtype complex"),
    ("millimetres", 1000 * depth(), "millimetres, divide by 1000"),
    ("centimetres", 100 * depth(), "centimetres, divide by 100"),
    ("millimetres, few near", 1000 * WIDE.clip(0, 0.5), "millimetres, divide by 1000"),
    ("far", np.full((48, 64), 8.0), "median depth is 8, .*check the unit"),
    ("kilometres", depth() / 1000, "check the unit"),
    ("negative", -depth(), "most of depth is negative"),
    ("transposed", depth().T, "they must belong together"),
    ("another size", depth()[:-1], "they must belong together"),
    ("a channel", depth()[..., None], "for 48 images of shape"),
    ("colour", np.ones((48, 64, 3)), "for 48 images of shape"),
    ("flat", depth().ravel(), r"give \(H, W\) or \(V, H, W\)"),
    ("batch", depth()[None, None], r"give \(H, W\) or \(V, H, W\)"),
    ("None", None, r"depth has shape \(\); give \(H, W\)"),
    ("a path", "depth.png", r"depth has shape \(\); give \(H, W\)"),
    ("empty", np.zeros((0, 48, 64)), "for 0 images"),
    ("words", np.full((48, 64), "x"), "give metres as floating point"),
]

CASES = [
    *(
        Case(f"T_world_camera {name}", plan(T_world_camera=pose), f"T_world_camera.*{says}")
        for name, pose, says in POSES
    ),
    *(
        Case(f"T_workspace_world {name}", plan(T_workspace_world=p), f"T_workspace_world.*{says}")
        for name, p, says in POSES
    ),
    *(Case(f"T_new_old {name}", transformed(p), f"T_new_old.*{says}") for name, p, says in POSES),
    *(Case(f"K {name}", run, says) for name, run, says in MATRICES),
    *(Case(f"intrinsics {name}", run, says) for name, run, says in CAMERAS),
    *(Case(f"depth {name}", plan(depth=image), says) for name, image, says in IMAGES),
    Case("one pose for two", plan(depth=np.stack([depth()] * 2)), r"with .V, 4, 4., a pose"),
    Case(
        "three poses for two",
        plan(depth=np.stack([depth()] * 2), T_world_camera=np.stack([POSE] * 3)),
        "2 depth images, 3 poses",
    ),
    Case(
        "second pose broken",
        plan(depth=np.stack([depth()] * 2), T_world_camera=np.stack([POSE, POSE.T])),
        "T_world_camera is no rigid transform",
    ),
]
