"""What the commands share: config flags, compilation cache, and failures as one line on stderr."""

import ast
import difflib
import errno
import os
import pathlib
import re
import signal
import sys
import warnings
from collections.abc import Callable, Sequence

from absl import app, flags, logging
from ml_collections import config_flags

from aejax.runs.interruption import Interrupted
from aejax.types import UserError
from experiments.signals import at_work

HERE = pathlib.Path(__file__).parent


def define_config_flag() -> flags.FlagHolder:
    """--config=FILE[:variant] with its overrides --config.KEY=VALUE."""
    return config_flags.DEFINE_config_file(
        'config', None, 'config file, with :VARIANT after it where there are variants', lock_config=True
    )


def define_folder_flags() -> None:
    """--data_dir and --download_dir."""
    flags.DEFINE_string('data_dir', None, 'folder of prepared data (default $AEJAX_DATA_DIR, else that of TFDS)')
    flags.DEFINE_string(
        'download_dir', None, 'folder that already holds the raw files of a data set (default $AEJAX_DOWNLOAD_DIR)'
    )


def configs() -> list[str]:
    """The names of the configs under experiments/."""
    return sorted(path.stem for path in (HERE / 'configs').glob('*.py') if path.stem not in ('__init__', 'base'))


def there_are() -> str:
    """'there are configs/{ae,cae,...}.py'."""
    return f'there are configs/{{{",".join(configs())}}}.py'


def find_config(value: str) -> str:
    """FILE[:variant] with FILE looked up here and then under experiments/.

    Raises:
        UserError: naming the nearest config, if there is none of that name.
    """
    name, colon, variant = value.partition(':')
    if not name:
        raise UserError(f'--config={value} names no file; {there_are()}')
    for candidate in (pathlib.Path(name), HERE / name):
        if candidate.is_file():
            return f'{candidate.absolute()}{colon}{variant}'
    nearest = difflib.get_close_matches(pathlib.Path(name).stem, configs(), 1)
    raise UserError(f'no config {name}; ' + (f'did you mean configs/{nearest[0]}.py?' if nearest else there_are()))


def resolve_arguments(argv: Sequence[str]) -> list[str]:
    """`argv` with the path of --config made absolute, in both spellings (--config=X, --config X)."""
    resolved = list(argv)
    for i, argument in enumerate(argv):
        if match := re.fullmatch(r'--?config=(.*)', argument):
            resolved[i] = f'--config={find_config(match[1])}'
        elif argument in ('--config', '-config') and i + 1 < len(argv):
            resolved[i + 1] = find_config(argv[i + 1])
    return resolved


def check_overrides(argv: Sequence[str]) -> None:
    """Raises UserError where there are overrides, --config.KEY=VALUE, and no --config that they could change."""
    overrides = [argument for argument in argv if re.match(r'--?config\.', argument)]
    if overrides and not any(re.match(r'--?config(=|$)', argument) for argument in argv):
        raise UserError(f'{overrides[0]} changes a config, and none is given: put --config=configs/NAME.py first; {there_are()}')


def config_name(argument: str) -> str:
    """'…/cae.py:mnist' -> 'cae-mnist', the name of the default folder of a run."""
    name, _, variant = argument.partition(':')
    return '-'.join(filter(None, (pathlib.Path(name).stem, variant)))


def configure_jax() -> None:
    """What every command that computes does first."""
    enable_compilation_cache()
    use_full_precision()


def use_full_precision() -> None:
    """Matrix products in full float32, unless $JAX_DEFAULT_MATMUL_PRECISION asks for less.

    GPUs and TPUs would round their factors to 10 bits or fewer (TF32, bfloat16), beyond which an exact penalty, or an error held
    against PCA's to a hundredth of a per cent, means nothing. CPUs compute in float32 in any case.
    """
    import jax

    if 'JAX_DEFAULT_MATMUL_PRECISION' not in os.environ:
        jax.config.update('jax_default_matmul_precision', 'highest')


def enable_compilation_cache() -> None:
    """Compiled programs are kept between runs, in $JAX_COMPILATION_CACHE_DIR or the user's cache folder.

    Without such a folder they are compiled afresh, and so is one that cannot be read, as a killed process may leave it.
    """
    import jax

    folder = os.environ.get('JAX_COMPILATION_CACHE_DIR')
    try:
        if folder is None:
            folder = str(pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'aejax' / 'xla')
        if '://' not in folder:
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        print(f'note: compiled programs are not kept: {one_line(error)}', file=sys.stderr)
        folder = None
    warnings.filterwarnings('ignore', 'Error (reading|writing) persistent compilation cache')
    jax.config.update('jax_compilation_cache_dir', folder)
    # The many small programs make most of the time to the first step: kept too, a second start takes half as long.
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)


def join_processes() -> None:
    """Makes this process one of several: JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES, JAX_PROCESS_ID, or the cluster, say which.

    Raises:
        UserError: if they do not, or the others cannot be reached.
    """
    import jax

    try:
        count, index = (int(os.environ[name]) if name in os.environ else None for name in ('JAX_NUM_PROCESSES', 'JAX_PROCESS_ID'))
        jax.distributed.initialize(num_processes=count, process_id=index)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            '--distributed needs a cluster that JAX knows, or JAX_COORDINATOR_ADDRESS (HOST:PORT), JAX_NUM_PROCESSES and '
            f'JAX_PROCESS_ID in the environment: {one_line(error)}'
        ) from None


def one_line(error: BaseException) -> str:
    """What an exception says, on one line. ml_collections passes texts on as literals, twice over even: that is undone."""
    text = str(error)
    while text[:1] in ('"', "'") and text[-1:] == text[:1]:
        try:
            text = str(ast.literal_eval(text))
        except (SyntaxError, ValueError):
            break
    return ' '.join(text.split())


def fail(message: str, code: int = 1) -> None:
    """Says `message` on stderr and ends the process."""
    print(f'error: {message}', file=sys.stderr, flush=True)
    sys.exit(code)


def _of_flag(text: str) -> str:
    """What absl says of a flag, in words where it quotes its parsers."""
    if match := re.match(r"flag (--[\w.]+)=.*Failed to parse '.*' as a ConfigDict", text):
        return f'{match[1]} is a section and takes no value: set one of its keys, {match[1]}.KEY=VALUE'
    if match := re.match(r'flag (--[\w.]+=.*): .*Non-boolean argument', text):
        return f'{match[1]}: choose true or false'
    return f'{text} (--help lists the flags)'


def _parse(argv: list[str]) -> list[str]:
    """absl's parsing, with every way in which a command line can be wrong as one UserError."""
    if 'config' in flags.FLAGS:
        check_overrides(argv)
    try:
        rest = flags.FLAGS(resolve_arguments(argv), known_only=False)
    except UserError:
        raise
    except flags.Error as error:
        raise UserError(_of_flag(one_line(error))) from None
    except SystemExit:  # --help was printed; absl ends that with 1, as if something were wrong
        sys.exit(0)
    except Exception as error:  # a config is a program: it can fail in any way
        kind = '' if isinstance(error, AttributeError | KeyError) else f'{type(error).__name__}: '
        if not kind and one_line(error).isidentifier():  # an override in a section that is not there, or of such a key
            missing = 'section' if isinstance(error, KeyError) else 'key'
            raise UserError(f'in the config or its overrides: this config has no {missing} {one_line(error)!r}') from None
        if "no attribute 'get_config'" in str(error):
            raise UserError(f'the file of --config has no get_config(), so it is no experiment; {there_are()}') from None
        raise UserError(f'in the config or its overrides: {kind}{one_line(error)}') from None
    if rest[1:]:
        raise UserError(f'unexpected argument {rest[1]!r} (--help lists the flags)')
    return rest


def describe(error: BaseException) -> tuple[str, int] | None:
    """(message, exit code) of a failure that a user can mend; None for a bug, which deserves its traceback."""
    if isinstance(error, UserError):
        return one_line(error), 1
    if isinstance(error, Interrupted):
        return one_line(error), 128 + error.signal_number
    if isinstance(error, KeyboardInterrupt):
        return 'interrupted; what was written before stays', 128 + signal.SIGINT
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        return ('the disk is full; free some space and start the same command again. ' if full else '') + one_line(error), 1
    if isinstance(error, MemoryError) or 'RESOURCE_EXHAUSTED' in str(error):
        return f'out of memory; try a smaller batch_size, num_samples, model or --num. {one_line(error)[:200]}', 1
    return None


def run(main: Callable[[], None]) -> None:
    """Parses the command line and calls `main`; what a user can mend ends as one line and a non-zero exit, never a traceback."""

    def guarded(argv: Sequence[str]) -> None:
        logging.set_verbosity(logging.ERROR)
        main()

    with at_work():
        try:
            app.run(guarded, flags_parser=_parse)
        except (Exception, KeyboardInterrupt) as error:
            described = describe(error)
            if described is None:
                raise
            fail(*described)
