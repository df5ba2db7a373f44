"""Runs `dbt compile` and writes down what that command keeps to itself: the SQL of the nodes' hooks.

A program of its own, started by `compiled.py`: dbt costs seconds to import, and nothing else here shall pay for it.
Its first argument is the file to write (node -> statements), the others are dbt's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(target: Path, arguments: list[str]) -> bool:
    """Compile; returns whether dbt was content. Hooks before a node are refused: nobody runs them."""
    from dbt.cli.main import dbtRunner
    from dbt.context.providers import generate_runtime_model_context
    from dbt.task.compile import CompileRunner

    from pipelines.dbt_program import quicken

    quicken()
    hooks: dict[str, list[str]] = {}
    compile_node = CompileRunner.compile

    def compile_with_hooks(runner: Any, manifest: Any) -> Any:
        node = compile_node(runner, manifest)
        if getattr(node.config, "pre_hook", None):
            raise ValueError(f"{node.name}: a hook before a node is not run outside of dbt")
        if found := getattr(node.config, "post_hook", None):
            render = generate_runtime_model_context(node, runner.config, manifest)["render"]
            hooks[node.unique_id] = [sql for hook in found if (sql := render(hook.sql).strip())]
        return node

    setattr(CompileRunner, "compile", compile_with_hooks)  # noqa: B010 - dbt offers no way to ask for hooks
    done = dbtRunner().invoke(arguments)
    if done.exception is not None:
        print(done.exception, file=sys.stderr)  # which dbt leaves to whoever calls it in a process
    target.write_text(json.dumps(hooks), encoding="utf-8")
    return bool(done.success)


if __name__ == "__main__":
    sys.exit(0 if main(Path(sys.argv[1]), sys.argv[2:]) else 1)
