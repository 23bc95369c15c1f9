"""What XLA is told in the tests, here and in the processes that they start. Imports nothing of JAX, which reads it once."""

import importlib.metadata

# Most of the time of the tests goes into compiling, and the older of XLA's two emitters of CPU code needs a quarter of the time
# of the newer. XLA ends the process at a flag that it does not know, so these are for the version that has them.
_KNOWN = importlib.metadata.version('jaxlib').startswith('0.10.')
QUICK = '--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1' if _KNOWN else ''
TWO_DEVICES = '--xla_force_host_platform_device_count=2'
