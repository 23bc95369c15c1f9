"""What the commands share: config flags, compilation cache, and failures as one line on stderr."""

import ast
import difflib
import errno
import os
import pathlib
import re
import signal
import sys
from collections.abc import Callable, Sequence

from absl import app, flags, logging
from ml_collections import config_flags

from aejax.runs.interruption import Interrupted
from aejax.types import UserError

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


def find_config(value: str) -> str:
    """FILE[:variant] with FILE looked up here and then under experiments/.

    Raises:
        UserError: naming the nearest config, if there is none of that name.
    """
    name, colon, variant = value.partition(':')
    for candidate in (pathlib.Path(name), HERE / name):
        if candidate.is_file():
            return f'{candidate.absolute()}{colon}{variant}'
    known = sorted(path.stem for path in (HERE / 'configs').glob('*.py') if path.stem not in ('__init__', 'base'))
    nearest = difflib.get_close_matches(pathlib.Path(name).stem, known, 1)
    hint = f'did you mean configs/{nearest[0]}.py?' if nearest else f'there are configs/{{{",".join(known)}}}.py'
    raise UserError(f'no config {name}; {hint}')


def resolve_arguments(argv: Sequence[str]) -> list[str]:
    """`argv` with the path of --config made absolute, in both spellings (--config=X, --config X)."""
    resolved = list(argv)
    for i, argument in enumerate(argv):
        if match := re.fullmatch(r'--?config=(.*)', argument):
            resolved[i] = f'--config={find_config(match[1])}'
        elif argument in ('--config', '-config') and i + 1 < len(argv):
            resolved[i + 1] = find_config(argv[i + 1])
    return resolved


def config_name(argument: str) -> str:
    """'…/cae.py:mnist' -> 'cae-mnist', the name of the default folder of a run."""
    name, _, variant = argument.partition(':')
    return '-'.join(filter(None, (pathlib.Path(name).stem, variant)))


def enable_compilation_cache() -> None:
    """Compiled programs are kept between runs, in $JAX_COMPILATION_CACHE_DIR or the user's cache folder."""
    import jax

    folder = os.environ.get('JAX_COMPILATION_CACHE_DIR')
    home = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache')
    jax.config.update('jax_compilation_cache_dir', folder or str(home / 'aejax' / 'xla'))
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)


def one_line(error: BaseException) -> str:
    """What an exception says, on one line. A KeyError shows its text as a literal, maybe twice over: that is undone."""
    text = str(error)
    while isinstance(error, KeyError) and text[:1] in ('"', "'") and text[-1:] == text[:1]:
        text = str(ast.literal_eval(text))
    return ' '.join(text.split())


def fail(message: str, code: int = 1) -> None:
    """Says `message` on stderr and ends the process."""
    print(f'error: {message}', file=sys.stderr, flush=True)
    sys.exit(code)


def _parse(argv: list[str]) -> list[str]:
    """absl's parsing, with every way in which a command line can be wrong as one UserError."""
    try:
        return flags.FLAGS(resolve_arguments(argv), known_only=False)
    except UserError:
        raise
    except flags.Error as error:
        raise UserError(f'{one_line(error)} (--help lists the flags)') from None
    except (AttributeError, KeyError, TypeError, ValueError, SyntaxError, ImportError) as error:
        raise UserError(f'in the config or its overrides: {one_line(error)}') from None


def run(main: Callable[[], None]) -> None:
    """Parses the command line and calls `main`; what a user can mend ends as one line and a non-zero exit, never a traceback."""

    def guarded(argv: Sequence[str]) -> None:
        logging.set_verbosity(logging.ERROR)
        try:
            if argv[1:]:
                raise UserError(f'unexpected argument {argv[1]!r} (--help lists the flags)')
            main()
        except UserError as error:
            fail(one_line(error))
        except Interrupted as stopped:
            fail(one_line(stopped), 128 + stopped.signal_number)
        except KeyboardInterrupt:
            fail('interrupted; what was written before stays', 128 + signal.SIGINT)
        except OSError as error:
            full = 'the disk is full; free some space and start the same command again. ' if error.errno == errno.ENOSPC else ''
            fail(f'{full}{one_line(error)}')

    def terminate(number: int, frame: object) -> None:
        raise Interrupted(number, 'terminated; what was written before stays')

    signal.signal(signal.SIGTERM, terminate)
    try:
        app.run(guarded, flags_parser=_parse)
    except UserError as error:
        fail(one_line(error))
