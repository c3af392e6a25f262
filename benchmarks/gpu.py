"""Measure the Triton programs: `python benchmarks/gpu.py` on a machine with a GPU.

Without a GPU, `--compile-only` compiles them for three generations of GPUs and prints what the machine code uses:
registers, spilled bytes, barriers.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

import torch

from tempclr.alignment._kernels import choose
from tempclr.alignment._kernels.recursion import Recursion

GENERATIONS = {80: "A100", 90: "H100", 100: "B200"}
VARIANTS = {
    "soft": Recursion(gamma=0.1),
    "hard": Recursion(),
    "smooth": Recursion(gamma=0.1, smooth=True),
    "OTAM": Recursion(gamma=0.1, begin="y", end="y", up="first"),
    "drops of x": Recursion(gamma=0.1, drops="x"),
    "drops of both": Recursion(gamma=0.1, drops="xy"),
}
SHAPES = {"256 x 32 x 32": (256, 32, 32), "256 x 128 x 128": (256, 128, 128), "8 x 512 x 512": (8, 512, 512)}
SHAPES |= {"2 x 1024 x 1024": (2, 1024, 1024), "1 x 4096 x 4096": (1, 4096, 4096), "1 x 8192 x 8192": (1, 8192, 8192)}
LENGTHS = (8, 128, 4096, 8192)  # steps of both sequences: several pairs per program, one pair per program, tiles


def machine_code(variant: str, steps: int, dtype: torch.dtype, arch: int) -> list[dict]:
    """What the two programs of one kind of alignment use, compiled for a GPU that need not be present."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from tempclr.alignment._kernels.gpu import sweeps
    from tempclr.alignment._kernels.gpu.plan import Plan

    recursion = VARIANTS[variant]
    cost = torch.empty(1, recursion.states, steps, steps, dtype=dtype, device="meta")
    plan = Plan(cost, torch.empty(1, 2, device="meta"), recursion, 0)
    constants = plan.constants()
    options = {name: constants.pop(name) for name in ("num_warps", "enable_fp_fusion")}
    wide, number = ("offsets", "ends", "borders_below", "borders_right"), "*fp32" if dtype == torch.float32 else "*fp64"
    found = []
    for program in (sweeps.forward, sweeps.backward):
        values = constants | ({"KEEP": True} if program is sweeps.forward else {})
        kinds = {**dict.fromkeys(values, "constexpr"), **dict.fromkeys(sweeps.SIZES, "i32"), "lengths": "*i32"}
        kinds |= dict.fromkeys(wide, "*fp64")
        signature = {name: kinds.get(name, number) for name in program.arg_names}
        source = ASTSource(fn=program, signature=signature, constexprs=values)
        built = triton.compile(source, target=GPUTarget("cuda", arch, 32), options=options)
        registers, stack = _resources(built.asm["cubin"], Path(triton.__file__).parent)
        found.append({
            "program": program.__name__, "variant": variant, "steps": steps, "dtype": str(dtype), "arch": arch,
            "lanes": plan.tile[0] * plan.pack, "warps": plan.warps, "tiled": plan.tiled,
            "registers": registers, "spilled_bytes": stack, "barriers": built.asm["ptx"].count("bar.sync"),
        })  # fmt: skip
    return found


def _resources(cubin: bytes, triton: Path) -> tuple[int, int]:
    """Registers and bytes of stack, read from the machine code."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        dump = [triton / "backends" / "nvidia" / "bin" / "cuobjdump", "--dump-resource-usage", file.name]
        usage = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    registers, stack = re.search(r"REG:(\d+) STACK:(\d+)", usage).groups()
    return int(registers), int(stack)


def compiled() -> list[dict]:
    """Machine code of all variants, lengths and generations."""
    kinds = list(product(("soft", "drops of both"), LENGTHS, [torch.float32], GENERATIONS))
    kinds += product(sorted(VARIANTS.keys() - {"soft", "drops of both"}), (128, 8192), [torch.float32], GENERATIONS)
    kinds += product(("soft", "drops of both"), (128, 8192), [torch.float64], GENERATIONS)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return [each for group in pool.map(machine_code, *zip(*kinds, strict=True), chunksize=4) for each in group]


def measured(repeats: int) -> list[dict]:
    """Time and memory of value and gradient; both kernels take turns."""
    found = []
    for name, shape in SHAPES.items():
        cost = torch.rand(shape, device="cuda")[:, None].requires_grad_()
        lengths = torch.tensor(shape[1:], device="cuda").expand(shape[0], 2)
        times: dict[str, list[float]] = {"gpu": [], "diagonals": []}
        peaks = {}
        exact = _gradient(cost.detach().double().requires_grad_(), lengths, "diagonals")
        errors = {}
        for repeat in range(repeats + 1):  # the first compiles
            for kernel, each in times.items():
                begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                torch.cuda.reset_peak_memory_stats()
                before = torch.cuda.memory_allocated()
                begin.record()
                gradient = _gradient(cost, lengths, kernel)
                end.record()
                torch.cuda.synchronize()
                peaks[kernel] = (torch.cuda.max_memory_allocated() - before) / (cost.numel() * 4)
                errors[kernel] = ((gradient - exact).abs().sum() / exact.abs().sum()).item()
                if repeat:
                    each.append(begin.elapsed_time(end))
        cells = cost.numel()
        for kernel, each in times.items():
            median = sorted(each)[len(each) // 2]
            found.append({
                "work": name, "kernel": kernel, "milliseconds": median, "ns_per_cell": median * 1e6 / cells,
                "peak_costs": peaks[kernel], "gradient_error": errors[kernel],
            })  # fmt: skip
    return found


def _gradient(cost: torch.Tensor, lengths: torch.Tensor, kernel: str) -> torch.Tensor:
    """Expected alignment by one kernel."""
    value = choose.alignment_cost(cost, lengths, Recursion(gamma=0.1), kernel)
    return torch.autograd.grad(value.sum(), cost)[0]


def table(rows: list[dict]) -> str:
    """Rows as a Markdown table."""
    cells = [[f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0]), *(" | ".join(each) for each in cells)]
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    """Measure, or compile only, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile-only", action="store_true", help="compile for GPUs that need not be present")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--repeats", type=int, default=20, help="timed runs of each kernel (default 20)")
    arguments = parser.parse_args()
    if not arguments.compile_only and not torch.cuda.is_available():
        print("expected a GPU, found none: run this on a machine that has one, or use --compile-only", file=sys.stderr)
        sys.exit(2)
    rows = compiled() if arguments.compile_only else measured(arguments.repeats)
    if arguments.json:
        print(json.dumps(rows))
        return
    if not arguments.compile_only:
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; float32, gamma 0.1, value and gradient\n")
    print(table(rows))


if __name__ == "__main__":
    main()
