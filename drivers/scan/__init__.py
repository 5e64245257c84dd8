"""Which machines are there: serial ports of this computer, and servers that announce themselves on the network.

found = await scan(load(path), seconds=3)       # looks, opens nothing
found = await ask(found)                        # opens the serial ports nobody owns: that resets most boards
edit.append(path, block(found[0]))              # a table for devices.toml
finding = await look(config, data_dir=...)      # one machine of devices.toml: does it answer, and if not, why
"""

from drivers.scan.asking import ask
from drivers.scan.blocks import Lacking, block, lacking
from drivers.scan.found import Found, Kind
from drivers.scan.looking import look
from drivers.scan.scanning import scan
from drivers.scan.trouble import Finding, Trouble

__all__ = ["Finding", "Found", "Kind", "Lacking", "Trouble", "ask", "block", "lacking", "look", "scan"]
