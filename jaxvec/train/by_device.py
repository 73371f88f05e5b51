"""Options of a model that follow from the device, see `devices`: filled in where they are left
open, kept in checkpoints, and taken from there by a run that goes on."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from jaxvec.train.checkpoint import Checkpoints
from jaxvec.train.contracts import ByDevice
from jaxvec.train.devices import Device


def filled(models: Sequence[Any], device: Device, data: Any, workers: int = 1) -> list[Any]:
    """Models whose options that depend on the device are filled in, the same in all; options that
    are given stay.

    Args:
      models: alike, and returned as they are if they are no `contracts.ByDevice`.
      device: that trains.
      data: the text or its counts.
      workers: `N`, who share the data out.
    """
    first = models[0]
    if not isinstance(first, ByDevice):
        return list(models)
    found = [model.for_device(device, data, workers) for model in models]
    least = {name: min((one[name] for one in found), key=lambda n: n or 0) for name in found[0]}
    return [_filled(model, least) for model in models]


def begun(
    model: Any,
    workers: int | None,
    device: Device,
    data: Any,
    checkpoints: Checkpoints | None = None,
) -> tuple[Any, int | None]:
    """The model of a run as `filled` fills it in and the workers as asked for; or, if there is a
    checkpoint, both as they were when the run began, on whatever device.

    Args:
      model, workers: as asked for; None for workers that are to be chosen.
      device: that trains.
      data: the text or its counts.
      checkpoints: of the run, if it has any.

    Raises:
      ValueError: if an option is given that was another; the message names it.
    """
    before = checkpoints.progress().chosen if checkpoints else {}
    if before:
        return _resumed(model, workers, before)
    if checkpoints and checkpoints.exist(checkpoints.folder):  # of a time without such defaults
        return model, workers
    return filled([model], device, data, workers or 1)[0], workers


def followed(model: Any, workers: int) -> dict[str, int | None]:
    """What followed from the device, by name, as it is kept in checkpoints.

    Args:
      model: as `filled` returned it.
      workers: `N`.
    """
    names = model.device_options if isinstance(model, ByDevice) else ()
    return {"workers": workers} | {name: getattr(model, name) for name in names}


def _resumed(
    model: Any, workers: int | None, before: Mapping[str, int | None]
) -> tuple[Any, int | None]:
    names = model.device_options if isinstance(model, ByDevice) else ()
    asked = {"workers": workers} | {name: getattr(model, name) for name in names}
    for name, value in asked.items():
        if value is not None and value != before.get(name):
            was = "the CPU's default" if before.get(name) is None else before[name]
            raise ValueError(
                f"the checkpoints are of a run whose {name} were {was}, and this one has "
                f"{name}={value}: leave it out, or give another folder"
            )
    return (_filled(model, before) if names else model), before["workers"]


def _filled(model: Any, values: Mapping[str, int | None]) -> Any:
    free = [name for name in model.device_options if getattr(model, name) is None]
    return dataclasses.replace(model, **{name: values.get(name) for name in free})
