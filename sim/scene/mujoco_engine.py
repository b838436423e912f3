"""What runs below a MuJoCo world: pieces, the model that is compiled from them, steps, distances.

The model is compiled anew when something was added or removed since it was last used, and what
stays keeps its state. Contacts have elliptic friction cones, and a solver without slip after the
main one. Frictions of two bodies are multiplied, as Bullet does; MuJoCo itself takes the greater
one, so a step is made in two halves with the frictions set in between.
"""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np

from sim.scene.base import check_iterations
from sim.scene.mujoco_bodies import Piece
from sim.scene.simulator import GRAVITY, TIME_STEP

SUBSTEPS = 2
"""Of MuJoCo in a step of `TIME_STEP`: contacts can be as stiff again, and fingers that close fast
do not sink into light things."""
SUBSTEP = TIME_STEP / SUBSTEPS
NOSLIP_ITERATIONS = 5
IMPEDANCE_RATIO = 10.0
"""How much harder friction is than the normal direction: less creep in a hand."""
LEAST_FRICTION = 1e-5
"""MuJoCo's own least friction of a contact; cones of none have no shape."""
PLANE = int(mujoco.mjtGeom.mjGEOM_PLANE)
UNSTABLE = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)


class MujocoEngine:
    """Pieces by number, and their motion.

    Attributes:
        solver_iterations: the most that Newton's method may make in a step.
        owner: of every geom of `model`, the number of the piece it belongs to.
    """

    def __init__(self, solver_iterations: int) -> None:
        check_iterations(solver_iterations)
        self.solver_iterations = solver_iterations
        self.empty()

    def empty(self) -> None:
        """Take everything out; numbers begin anew."""
        self.pieces: dict[int, Piece] = {}
        self._next = 0
        self._model: mujoco.MjModel | None = None
        self._data: mujoco.MjData | None = None
        self._stale = True

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled model of what is in the world."""
        self._compile()
        return self._model

    @property
    def data(self) -> mujoco.MjData:
        """The state of `model`."""
        self._compile()
        return self._data

    def add(self, piece: Piece) -> int:
        """Put a piece into the world; its number."""
        number, self._next = self._next, self._next + 1
        self.pieces[number] = piece
        self._stale = True
        return number

    def take_out(self, number: int) -> None:
        """Take a piece out of the world."""
        del self.pieces[number]
        self._stale = True

    def recompile(self) -> None:
        """A piece has changed in a way that the model does not follow by itself."""
        self._stale = True

    def knows(self, number: int) -> bool:
        """Whether a free body is in the model as it was compiled last."""
        kind = mujoco.mjtObj.mjOBJ_JOINT
        return self._model is not None and mujoco.mj_name2id(self._model, kind, str(number)) >= 0

    @property
    def last_data(self) -> mujoco.MjData | None:
        """The state of the model as it was compiled last, if it ever was."""
        return self._data

    @property
    def compiled(self) -> bool:
        """Whether the model is that of the pieces that are there now."""
        return not self._stale

    def _compile(self) -> None:
        if not self._stale:
            return
        model = self._specification().compile()
        data = mujoco.MjData(model)
        if self._model is not None:
            _carry_over(_views(self._model, self._data), _views(model, data))
        names = [model.body(i).name.partition("/")[0] for i in range(model.nbody)]
        numbers = np.array([int(name) if name.isdigit() else -1 for name in names])
        self.owner = numbers[model.geom_bodyid]
        self._model, self._data, self._stale = model, data, False

    def _specification(self) -> mujoco.MjSpec:
        spec = mujoco.MjSpec()
        spec.nuserdata = 0
        option = spec.option
        option.timestep, option.gravity = SUBSTEP, (0.0, 0.0, GRAVITY)
        option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, IMPEDANCE_RATIO
        option.iterations, option.noslip_iterations = self.solver_iterations, NOSLIP_ITERATIONS
        option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
        # Several points per pair of parts: the default from MuJoCo 4 on, where the flag is gone.
        option.enableflags |= int(getattr(mujoco.mjtEnableBit, "mjENBL_MULTICCD", 0))
        for number, piece in self.pieces.items():
            piece.add_to(spec, str(number))
        return spec

    def step(self, count: int = 1) -> None:
        """Advance by `count` steps of `TIME_STEP` seconds.

        Raises:
            RuntimeError: the simulation has become unstable.
        """
        model, data = self.model, self.data
        for _ in range(count * SUBSTEPS):
            for number, piece in self.pieces.items():
                piece.before_step(model, data, str(number))
            mujoco.mj_step1(model, data)
            if data.ncon:
                _multiply_frictions(model, data)
                mujoco.mj_makeConstraint(model, data)
                mujoco.mj_island(model, data)
                mujoco.mj_projectConstraint(model, data)
                mujoco.mj_fwdVelocity(model, data)
            mujoco.mj_step2(model, data)
        if any(data.warning[int(kind)].number for kind in UNSTABLE):
            raise RuntimeError("the MuJoCo simulation became unstable")

    def set_solver_iterations(self, iterations: int) -> None:
        """Change the greatest number of solver iterations from now on.

        Raises:
            ValueError: if it is not positive.
        """
        check_iterations(iterations)
        self.solver_iterations = iterations
        if self._model is not None:
            self._model.opt.iterations = iterations

    def distances(self, body: int, other: int, reach: float) -> Iterator[tuple[int, float]]:
        """(geom of `body`, distance in m) of all pairs of parts of two bodies within `reach`."""
        model, data = self.model, self.data
        mujoco.mj_kinematics(model, data)
        others = np.flatnonzero(self.owner == other)
        for geom in np.flatnonzero(self.owner == body).tolist():
            gap = np.linalg.norm(data.geom_xpos[others] - data.geom_xpos[geom], axis=1)
            gap -= model.geom_rbound[others] + model.geom_rbound[geom]
            flat = (model.geom_type[others] == PLANE) | (model.geom_type[geom] == PLANE)
            for near in others[flat | (gap <= reach)].tolist():
                found = self._geom_distance(geom, near, reach)
                if found <= reach:
                    yield geom, found

    def _geom_distance(self, geom: int, other: int, reach: float) -> float:
        model, data = self.model, self.data
        if model.geom_type[geom] == PLANE:
            geom, other = other, geom
        if model.geom_type[other] == PLANE:
            mesh = model.geom_dataid[geom]
            begin, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
            up = data.geom_xmat[geom].reshape(3, 3)[2]
            lowest = float((model.mesh_vert[begin : begin + count] @ up).min())
            return lowest + float(data.geom_xpos[geom, 2] - data.geom_xpos[other, 2])
        # A little beyond: at just this distance it may not find that there is none nearer.
        return float(mujoco.mj_geomDistance(model, data, geom, other, reach + 1e-3, None))


def _multiply_frictions(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """Give contacts the product of lateral frictions, and a torque as Bullet combines spinning."""
    contact = data.contact
    first, second = (model.geom_friction[contact.geom[:, i]] for i in (0, 1))
    slide = np.maximum(first[:, 0] * second[:, 0], LEAST_FRICTION)
    spin = first[:, 1] * second[:, 0] + second[:, 1] * first[:, 0]
    contact.friction[:, :2] = slide[:, None]
    contact.friction[:, 2] = np.maximum(spin, LEAST_FRICTION)


def _views(model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, tuple[np.ndarray, ...]]:
    """Views of what has to outlive a model, by name: joints, commands, bodies that are led."""
    found: dict[str, tuple[np.ndarray, ...]] = {}
    for joint in (data.joint(i) for i in range(model.njnt)):
        found[f"joint {joint.name}"] = joint.qpos, joint.qvel
    for i in range(model.nu):
        found[f"command {data.actuator(i).name}"] = (data.ctrl[i : i + 1],)
    for body, number in enumerate(model.body_mocapid.tolist()):
        if number >= 0:
            led = data.mocap_pos[number], data.mocap_quat[number]
            found[f"led {model.body(body).name}"] = led
    return found


def _carry_over(
    before: dict[str, tuple[np.ndarray, ...]], now: dict[str, tuple[np.ndarray, ...]]
) -> None:
    """Write the values of a model that was into one that is, where both have them."""
    for name in before.keys() & now.keys():
        for view, value in zip(now[name], before[name], strict=True):
            view[:] = value
