"""How a command may be run: once, as a server, beside others, or elsewhere. A plan names the beginning of its command; what a reader would
put in other words (ports, file names, how much there is of something) is replaced, and nothing else."""
import os

from site_of_page import ROOT, Failed


class Plan:
    """`before(site)` is what the page takes for granted, `after(site)` looks at what follows."""

    def __init__(self, beginning, *replace, before=None, after=None):
        self.beginning = beginning
        self.replace = replace
        self.before = before
        self.after = after

    def run(self, site, command):
        if self.before:
            self.before(site)
        self.act(site, site.text_of(command, self.replace))
        if self.after:
            self.after(site)


class Run(Plan):
    """Ends with `code`, and has said `says`."""

    def __init__(self, beginning, *replace, code=0, says="", **more):
        super().__init__(beginning, *replace, **more)
        self.code = code
        self.says = says

    def act(self, site, command):
        said = site.run(command, self.code)
        if self.says not in said:
            raise Failed(f"`{command}` does not say `{self.says}`:\n{said}")


class Serve(Plan):
    """A server or worker, which is told to end once it runs."""

    def act(self, site, command):
        site.serve(command)
        site.stop_last()


class Stay(Plan):
    """A server or worker, which is told to end at the page's end."""

    def act(self, site, command):
        site.serve(command)


class Answer(Plan):
    """Any other program that stays, and is there once it answers at a port."""

    def __init__(self, beginning, port, *replace):
        super().__init__(beginning, *replace)
        self.port = port

    def act(self, site, command):
        site.serve_at(command.removesuffix("&"), site.ports[self.port])


class Beside(Plan):
    """Goes on beside what follows, and ends by itself, with 0."""

    def act(self, site, command):
        site.start(command, ends=0)


class Assign(Plan):
    """Sets variables."""

    def act(self, site, command):
        site.assign(command)


class Elsewhere(Plan):
    """Can't be run here, as `why` says: a test does it that is written for that, or something like it."""

    def __init__(self, beginning, test, why):
        super().__init__(beginning)
        self.test = test
        self.why = why

    def act(self, site, command):
        if not os.path.exists(os.path.join(ROOT, self.test)):
            raise Failed(f"{self.test} is gone")
        print(f"not here: `{command}`, as {self.why}; see {self.test}")
