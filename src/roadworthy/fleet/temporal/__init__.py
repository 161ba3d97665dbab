"""The engine for more than one machine: Temporal (`pip install 'roadworthy[fleet]'`). State and results are in the store, as with the embedded one."""
