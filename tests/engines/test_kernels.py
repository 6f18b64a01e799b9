"""Generated code of projections, run in Python: any geometry, without compiling one."""

from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numba import njit

from evsim.engines.fused import correlation, projections
from evsim.engines.fused.correlation import correlate
from evsim.engines.fused.kernel import Send
from evsim.engines.fused.layout import Events, Grid
from evsim.engines.fused.projections import list_values, make_kernel
from evsim.engines.fused.source import Lines
from evsim.engines.fused.vector import (
    COPY,
    add_products,
    gather_rows,
    gather_scaled,
    gather_slice,
    row_stride,
)
from evsim.projections.conv import Conv
from evsim.projections.dense import Dense
from evsim.projections.sparse import Sparse

SEEDS = st.integers(0, 2**32 - 1)
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def geometries(draw):
    """Dense and convolutions of any option that fits, with channels above a row's width."""
    channels = draw(st.sampled_from([1, 2, 3, 35]))
    features = draw(st.sampled_from([1, 2, 5, 33]))
    side = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    which = draw(st.integers(0, 5))
    if which == 1:
        options = {"probability": "0.3", "in_degree": None, "pairs": None}
        options |= {"self_connections": True, "seed": draw(SEEDS), "name": "p"}
        return Sparse.infer((channels, *side), (features, 2, 1), options)
    if which == 0:
        return Dense.infer((channels, *side), (features, 2, 1), {})
    kernel, stride, pool = draw(PAIRS), draw(PAIRS), draw(PAIRS)
    padding = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    assume(all(n + 2 * p >= k for n, p, k in zip(side, padding, kernel, strict=True)))
    sizes = zip(side, padding, kernel, stride, pool, strict=True)
    places = [((n + 2 * p - k) // s + 1) // q for n, p, k, s, q in sizes]
    assume(all(places))
    options = {"kernel": kernel, "stride": stride, "padding": padding, "pool": pool}
    return Conv.infer((channels, *side), (features, *places), options)


def add_rows(place, factor, width, stride):
    """Do what the compiled `gather_rows` and `gather_scaled` document."""
    dst, at, table, base, row, row_step, events, starts, first, span, step, number = place
    for j in range(number):
        start = first + j * step
        for event in events[starts[start] : starts[start + span]]:
            begin = base + (row + j * row_step + event) * stride
            dst[at : at + width] += factor(event) * table[begin : begin + width]


def python_rows(*args):
    *place, _, width, stride = args
    add_rows(place, lambda event: 1, width, stride)


def python_slice(dst, at, table, base, row, events, begin, end, width, stride):
    place = (dst, at, table, base, row, 0, events, [begin, end], 0, 1, 0, 1)
    add_rows(place, lambda event: 1, width, stride)


def python_scaled(*args):
    *place, _, values, values_at, _, width, stride = args
    add_rows(place, lambda event: values[values_at + event], width, stride)


def run_send(geometry, weights, sent, backward, scaled):
    """Send values (or, unless `scaled`, spikes where they are 1) through generated code."""
    kernel = make_kernel(geometry, 8, [np.zeros((), np.int64)] * 2)
    ends = (kernel.source, kernel.target)
    sender, receiver = ends[::-1] if backward else ends
    tables = [np.zeros(kernel.forward_size), np.zeros(kernel.backward_size)]
    kernel.pack(weights, tables)
    f = np.zeros(sender.size + receiver.size + 64)
    f[: sender.size] = sent.ravel()[sender.to_memory]
    events = Events(0, 0, sender.size, sender.places)
    out = Lines()
    list_values(out, sender, events, 0)
    values = 0 if scaled else None
    send = Send(events, target=sender.size, table=0, values=values, itemsize=8)
    if kernel.links and backward:
        send = replace(send, links=len(kernel.links[0]))
    (kernel.backward if backward else kernel.forward)(out, send)
    scope = {
        "f": f,
        "w": tables[backward],
        "events": np.zeros(sender.size + COPY, np.int64),
        "starts": np.zeros(sender.places + 1, np.int64),
        "queue": None,
        "links": np.concatenate([*kernel.links, np.zeros(0, np.int32)]),
        "tile": np.zeros(64),
        "gather_rows": python_rows,
        "gather_slice": python_slice,
        "gather_scaled": python_scaled,
        "SENDERS": 0,
        "I": int,
        "ZERO_F": 0.0,
    }
    exec(str(out), scope)
    return f[sender.size : sender.size + receiver.size][receiver.to_declared]


@settings(max_examples=100, deadline=None)
@given(
    geometry=geometries(),
    seed=SEEDS,
    backward=st.booleans(),
    scaled=st.booleans(),
    cache=st.sampled_from([0, projections.CACHE]),
)
def test_generated_code_sums_what_the_synapses_say(geometry, seed, backward, scaled, cache):
    random = np.random.default_rng(seed)
    weights = random.normal(size=geometry.weight_shape)
    shapes = [geometry.source_shape, geometry.target_shape]
    from_shape, to_shape = shapes[::-1] if backward else shapes
    sent = (random.random(from_shape) < 0.4).astype(float)
    if scaled:
        sent *= random.normal(size=from_shape)
    pre, post, weight, coefficient = geometry.synapses()
    senders, receivers = (post, pre) if backward else (pre, post)
    added = sent.ravel()[senders] * weights.ravel()[weight] * coefficient
    expected = np.bincount(receivers, added, minlength=int(np.prod(to_shape)))
    with patch.object(projections, "CACHE", cache):
        found = run_send(geometry, weights, sent, backward, scaled)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def python_scale(dst, at, src, src_at, factor, width):
    """Do what the compiled `add_scaled` documents."""
    dst[at : at + width] += factor * src[src_at : src_at + width]


def python_products(dst, at, table, base, rows, factors, count, width, stride):
    """Do what the compiled `add_products` documents."""
    for row, factor in zip(rows[:count], factors[:count], strict=True):
        python_scale(dst, at, table, base + row * stride, factor, width)


def run_correlation(geometry, pre, post):
    """Correlate terms of neurons through generated code; return (weight,) sums of products."""
    kernel = make_kernel(geometry, 8, [np.zeros((), np.int64)])
    source, target = kernel.source, kernel.target
    conv = isinstance(geometry, Conv)
    taps = geometry.folded_kernel if conv else (source.places, target.places)
    shape = (*taps, source.channels, target.channels)
    out = Lines()
    correlate(out, geometry, (source, target), 3, 8)
    g, room = np.zeros(3 + int(np.prod(shape))), target.places
    scope = {
        "left": pre.ravel()[source.to_memory],
        "right": post.ravel()[target.to_memory],
        "g": g,
        "active": np.zeros(room + 1, np.int32),
        "factors": np.zeros(room + 1),
        "add_scaled": python_scale,
        "add_products": python_products,
        "I": int,
        "ZERO_F": 0.0,
    }
    exec(str(out), scope)
    assert not g[:3].any()
    if conv:
        return geometry.unfold(g[3:].reshape(shape).transpose(3, 2, 0, 1)).ravel()
    return (
        g[3:].reshape(source.size, target.size)[source.to_declared][:, target.to_declared].ravel()
    )


@settings(max_examples=100, deadline=None)
@given(geometry=geometries(), seed=SEEDS, cache=st.sampled_from([0, 400, correlation.CACHE]))
def test_correlations_are_sums_over_synapses(geometry, seed, cache):
    assume(not isinstance(geometry, Sparse))
    random = np.random.default_rng(seed)
    pre, post = (random.normal(size=s) for s in (geometry.source_shape, geometry.target_shape))
    pre *= random.random(pre.shape) < 0.6
    with patch.object(correlation, "CACHE", cache):
        found = run_correlation(geometry, pre, post)
    source, target, weight, coefficient = geometry.synapses()
    products = coefficient * pre.ravel()[source] * post.ravel()[target]
    expected = np.bincount(weight, products, minlength=int(np.prod(geometry.weight_shape)))
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.fixture(scope="module", params=[(1, np.float32), (5, np.float64), (19, np.float32)])
def compiled(request):
    """The intrinsics for one width and type."""
    width, dtype = request.param
    stride = row_stride(width, np.dtype(dtype).itemsize)

    @njit
    def rows(dst, at, table, base, row, row_step, events, starts, first, span, step, number, queue):
        gather_rows(
            dst,
            at,
            table,
            base,
            row,
            row_step,
            events,
            starts,
            first,
            span,
            step,
            number,
            queue,
            width,
            stride,
        )

    @njit
    def scaled(
        dst,
        at,
        table,
        base,
        row,
        row_step,
        events,
        starts,
        first,
        span,
        step,
        number,
        queue,
        values,
    ):
        gather_scaled(
            dst,
            at,
            table,
            base,
            row,
            row_step,
            events,
            starts,
            first,
            span,
            step,
            number,
            queue,
            values,
            2,
            256,
            width,
            stride,
        )

    @njit
    def one(dst, at, table, base, row, events, begin, end):
        gather_slice(dst, at, table, base, row, events, begin, end, width, stride)

    @njit
    def products(dst, at, table, base, rows, factors, count):
        add_products(dst, at, table, base, rows, factors, count, width, stride)

    return SimpleNamespace(
        width=width,
        dtype=dtype,
        stride=stride,
        rows=rows,
        scaled=scaled,
        slice=one,
        products=products,
    )


@settings(deadline=None)
@given(seed=SEEDS, number=st.integers(-2, 4), span=st.integers(0, 3), busy=st.sampled_from([0, 9]))
def test_compiled_sums_run_in_the_documented_order(compiled, seed, number, span, busy):
    random = np.random.default_rng(seed)
    counts = random.integers(0, busy + 1, 12)
    starts = np.concatenate([[0], np.cumsum(counts)])
    events = np.zeros(starts[-1] + 2 * COPY, np.int32)
    events[: starts[-1]] = random.integers(0, 6, starts[-1])
    table = np.full((40, compiled.stride), -0.0, compiled.dtype)
    table[:, : compiled.width] = random.normal(size=(40, compiled.width))
    values = random.normal(size=8).astype(compiled.dtype)
    dst = random.normal(size=96).astype(compiled.dtype)
    queue = np.zeros(512, np.int32)
    place = (3, table.ravel(), 4 * compiled.stride, 2, 5, events, starts, 1, span, 2, number)
    for scaled in (False, True):
        found, expected = dst.copy(), dst.copy()
        if scaled:
            compiled.scaled(found, *place, queue, values)
            python_scaled(expected, *place, None, values, 2, 256, compiled.width, compiled.stride)
        else:
            compiled.rows(found, *place, queue)
            python_rows(expected, *place, None, compiled.width, compiled.stride)
        np.testing.assert_array_equal(found, expected)
    found, expected = dst.copy(), dst.copy()
    one = (3, table.ravel(), 4 * compiled.stride, 2, events, starts[1], starts[1 + span])
    compiled.slice(found, *one)
    python_slice(expected, *one, compiled.width, compiled.stride)
    np.testing.assert_array_equal(found, expected)
    found, expected = dst.copy(), dst.copy()
    rows = (3, table.ravel(), 4 * compiled.stride, events, values, min(len(values), starts[span]))
    compiled.products(found, *rows)
    python_products(expected, *rows, compiled.width, compiled.stride)
    np.testing.assert_array_equal(found, expected)


def test_memory_order_and_declared_order_are_inverse():
    grid = Grid.of((3, 2, 4))
    np.testing.assert_array_equal(grid.to_memory[grid.to_declared], np.arange(24))
    channel, place = 2, 5
    assert grid.to_memory[place * 3 + channel] == channel * 8 + place
