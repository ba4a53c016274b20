"""A terminal for tests: a pseudo-terminal, and what stands on its screen."""
import codecs
import fcntl
import os
import re
import select
import struct
import termios

CONTROL = re.compile(r"\x1b\[(\d*)([A-Za-z])")


class Screen:
    """Understands what evermill writes: text, line ends, CSI A (up), J and K (erase from here), and colors."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.rows, self.row, self.column = [""], 0, 0
        self.pending = ""

    def feed(self, text):
        text = self.pending + text
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = CONTROL.match(text, at)
                if found is None:
                    break  # the rest has not come yet
                self.control(found.group(2), int(found.group(1) or 1))
                at = found.end()
            else:
                self.put(text[at])
                at += 1
        self.pending = text[at:]

    def control(self, kind, number):
        if kind == "A":
            top = max(len(self.rows) - self.height, 0)  # the cursor stays on the screen
            self.row = max(self.row - number, top)
        elif kind in "JK":
            self.rows[self.row] = self.rows[self.row][:self.column]
            if kind == "J":
                del self.rows[self.row + 1:]
        elif kind != "m":
            raise AssertionError(f"CSI {number} {kind} is not understood")

    def put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.next_row()
        else:
            assert character >= " ", repr(character)
            if self.column == self.width:
                self.column = 0
                self.next_row()
            line = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = line[:self.column] + character + line[self.column + 1:]
            self.column += 1

    def next_row(self):
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")

    def text(self):
        """All rows, also those that have scrolled off."""
        return "\n".join(row.rstrip() for row in self.rows).rstrip("\n")


class Terminal:
    def __init__(self, width=80, height=24):
        self.master, self.slave = os.openpty()
        self.screen = Screen(width, height)
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.resize(width, height)

    def resize(self, width, height):
        self.screen.width, self.screen.height = width, height
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def close_slave(self):
        if self.slave is not None:
            os.close(self.slave)
            self.slave = None

    def close(self):
        self.close_slave()
        os.close(self.master)

    def read(self, seconds):
        """Takes what has been written, or waits for it; False: nobody writes any more."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the last one who could write has gone
            return False
        self.screen.feed(self.decoder.decode(data))
        return bool(data)
