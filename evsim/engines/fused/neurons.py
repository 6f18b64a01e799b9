"""Neuron code: captured blocks become loops over a population's neurons.

Blocks of one population that follow each other without a projection between them touch only a
neuron's own variables, so they share one loop: variables are loaded once, changed, and stored once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evsim.build.code import Block, Statement
from evsim.build.draws import kind_of
from evsim.engines.fused.layout import event_key
from evsim.engines.fused.render import Term
from evsim.engines.fused.source import TYPES, Lines, Scope

WORD = 64
"""Flags looked at in one go when spikes are listed."""


def lower_blocks(out: Lines, scope: Scope, blocks: Sequence[Block]) -> None:
    """Write consecutive blocks of one population: loops over all neurons, resets over spikes."""
    run: list[Block] = []
    for block in blocks:
        if block.template == "reset":
            _flush(out, scope, run)
            run = []
            _lower_reset(out, scope, block)
            continue
        changes = any(statement.op != ":=" for statement in block.scalar)
        if changes or (run and (block.part, block.every) != (run[0].part, run[0].every)):
            # Shared values change between loops, not before all of them.
            _flush(out, scope, run)
            run = []
        run.append(block)
        if block.refractory:
            # What follows sees which neurons have just become refractory.
            _flush(out, scope, run)
            run = []
    _flush(out, scope, run)


def _flush(out: Lines, scope: Scope, blocks: list[Block]) -> None:
    if not blocks:
        return
    every = blocks[0].every
    if every > 1:
        out.add(f"if now % {every} == 0:")
        out.indent += 1
    _lower_scalars(out, scope, blocks)
    _lower_draws(out, scope, blocks)
    for part in _by_width(scope, blocks):
        body = Lines()
        _lower_vectors(body, scope, part)
        out.add(*scope.before)
        if body.text:
            _loop(out, scope, body, blocks[0].part)
        scope.leave_loop()
    if every > 1:
        out.add("pass")
        out.indent -= 1
    for block in blocks:
        if block.template == "threshold":
            _list_events(out, scope, block)
    scope.clear()


def _by_width(scope: Scope, blocks: list[Block]) -> list[list[Block]]:
    """Return the blocks of each loop: in single precision, times are compared in one of their own.

    A loop takes as many neurons at a time as fit for its widest numbers.
    """
    first, *others = blocks
    if scope.plan.dtype.itemsize == 8 or not first.vector:
        return [blocks]
    line, *rest = first.vector
    if line.var != "not_refractory" or not rest:
        return [blocks]
    return [[replace(first, vector=(line,))], [replace(first, vector=tuple(rest)), *others]]


def _loop(out: Lines, scope: Scope, body: Lines, part: tuple[int, int] | None) -> None:
    """Write a loop over all neurons, or a part of a row of them, around `body`."""
    grid = scope.layout.grids[scope.population]
    if part is not None:
        out.add(f"for i in range({part[0]}, {part[1]}):")
        out.indent += 1
        out.add(*body.text)
        out.indent -= 1
        return
    if scope.uses_channel and grid.places > 1:
        out.add(f"for p in range({grid.places}):")
        out.indent += 1
        out.add(f"for c in range({grid.channels}):")
        out.indent += 1
        out.add(f"i = p * {grid.channels} + c", *body.text)
        out.indent -= 2
        return
    out.add(f"for i in range({grid.size}):")
    out.indent += 1
    if scope.uses_channel:
        out.add("c = i")
    out.add(*body.text)
    out.indent -= 1


def _lower_scalars(out: Lines, scope: Scope, blocks: Sequence[Block]) -> None:
    for block in blocks:
        for statement in block.scalar:
            _assign(out, scope, block, statement)


def _lower_draws(out: Lines, scope: Scope, blocks: Sequence[Block]) -> None:
    """Write calls that draw the numbers of all neurons before the loop that reads them."""
    size = scope.layout.grids[scope.population].size
    for block in blocks:
        for name, symbol in sorted(block.symbols.items()):
            if symbol.role == "random":
                place = scope.layout.noise[block.name, name]
                stream = scope.plan.streams.index((block.name, name))
                fill = "fill_normal" if kind_of(name) == "normal" else "fill_uniform"
                out.add(f"{fill}(noise, {place}, {size}, draw[{stream + 1}], draw[0], now)")


def _lower_vectors(body: Lines, scope: Scope, blocks: Sequence[Block]) -> None:
    scope.looping = True
    variables = _neural_variables(scope, blocks)
    written = sorted(_written(scope, blocks))
    for variable in variables:
        place = scope.place(variable)
        body.add(f"x_{variable} = {place.text}")
        scope.loaded[variable] = Term(f"x_{variable}", place.type)
    for block in blocks:
        for statement in block.vector:
            _assign(body, scope, block, statement)
        if block.template == "threshold":
            _lower_threshold(body, scope, block)
    for variable in written:
        body.add(f"{scope.place(variable).text} = x_{variable}")


def _neural_variables(scope: Scope, blocks: Sequence[Block]) -> list[str]:
    names = {
        symbol.variable
        for block in blocks
        for symbol in block.symbols.values()
        if symbol.role == "state" and not symbol.shared
    } | _written(scope, blocks)
    return sorted(name for name in names if scope.is_neural(name))


def _written(scope: Scope, blocks: Sequence[Block]) -> set[str]:
    names = {s.var for block in blocks for s in block.vector if s.op != ":="}
    return {name for name in names if scope.is_neural(name)}


def _assign(out: Lines, scope: Scope, block: Block, statement: Statement) -> None:
    """Write one statement; the target's type decides the conversion."""
    renderer = scope.renderer(block)
    value = renderer.expression(statement.expr)
    kind = TYPES[statement.kind]
    if block.symbols[statement.var].role == "local":
        if kind == "f" and value.type == "d":
            kind = "d"
        text = with_cases(renderer, statement, kind)
        name = scope.declare(block, statement.var, kind, statement.shared)
        out.add(*scope.take_pending(), f"{name} = {text}")
        scope.forget(name)
        return
    target = scope.loaded.get(statement.var) or scope.place(statement.var)
    text = with_cases(renderer, statement, target.type)
    if statement.op != "=":
        sign = statement.op[:-1]
        work = target.type
        text = f"pow({target.text}, {text})" if sign == "**" else f"{target.text} {sign} {text}"
        text = f"{work.upper()}({text})" if work in ("f", "d") else text
    guard = block.guards.get(statement.var)
    if guard is not None:
        text = f"({text}) if {renderer.resolve(guard).text} else {target.text}"
    out.add(*scope.take_pending(), f"{target.text} = {text}")
    scope.forget(target.text)


def with_cases(renderer: object, statement: Statement, kind: str) -> str:
    """Return a right side; Brian2 splits expressions over boolean variables into cases."""
    expression = renderer.expression  # type: ignore[attr-defined]
    resolve = renderer.resolve  # type: ignore[attr-defined]
    if not statement.cases:
        return str(expression(statement.expr).to(kind))
    *cases, (_, last) = statement.cases
    text = str(expression(last).to(kind))
    for given, expr in reversed(cases):
        condition = " and ".join(
            resolve(name).text if value else f"(not {resolve(name).text})" for name, value in given
        )
        text = f"({expression(expr).to(kind)} if {condition} else {text})"
    return text


def _lower_threshold(body: Lines, scope: Scope, block: Block) -> None:
    condition = scope.locals[block.name, "_cond"].text
    slot = scope.layout.events[event_key(block.owner, block.event)]
    body.add(f"flags[{slot.at} + i] = {condition}")


def _list_events(out: Lines, scope: Scope, block: Block) -> None:
    """Write the code that turns flags into a list of memory indices with a start for each place."""
    grid = scope.layout.grids[scope.population]
    slot = scope.layout.events[event_key(block.owner, block.event)]
    begin, start = slot.begin(), slot.start()
    out.add(f"e = {begin}", f"for p in range({grid.places}):")
    out.indent += 1
    out.add(f"starts[{start} + p] = e")
    full, rest = divmod(grid.channels, WORD)
    base = f"p * {grid.channels}"
    if full:
        out.add(f"for q in range({full}):")
        out.indent += 1
        _list_word(out, slot.at, f"{base} + q * {WORD}", WORD)
        out.indent -= 1
    if rest:
        _list_word(out, slot.at, f"{base} + {full * WORD}", rest)
    out.indent -= 1
    out.add(f"starts[{start} + {grid.places}] = e")
    if block.refractory:
        slots = [scope.layout.slots[scope.population, n] for n in ("not_refractory", "lastspike")]
        out.add(
            f"for e in range({begin}, starts[{start} + {grid.places}]):",
            f"    b[{slots[0].offset} + I(events[e])] = False",
            f"    d[{slots[1].offset} + I(events[e])] = t",
        )
    if block.event == "spike":
        at = list(scope.plan.populations).index(scope.population)
        out.add(f"counts[{at}] += starts[{start} + {grid.places}] - ({begin})")


def _list_word(out: Lines, flags: int, base: str, length: int) -> None:
    out.add(f"mask = mask_of(flags, {flags} + {base}, {length})", "while mask != ZERO:")
    out.add(
        f"    events[e] = {base} + lowest_bit(mask)",
        "    e += 1",
        "    mask &= mask - ONE",
    )


def _lower_reset(out: Lines, scope: Scope, block: Block) -> None:
    grid = scope.layout.grids[scope.population]
    slot = scope.layout.events[event_key(block.owner, block.event)]
    _lower_scalars(out, scope, [block])
    body = Lines()
    _lower_vectors(body, scope, [block])
    out.add(*scope.before)
    start = slot.start()
    out.add(f"for e in range(starts[{start}], starts[{start} + {grid.places}]):")
    out.indent += 1
    out.add("i = I(events[e])")
    if scope.uses_channel:
        out.add(f"c = i % {grid.channels}", f"p = i // {grid.channels}")
    out.add(*body.text)
    out.indent -= 1
    scope.clear()
