"""Breaking one source file of a build: compile the changed text, link it into a program anew.

Nothing in the tree or in the build directory is touched. The changed object stands before the core's
archive on the command line that ninja links the program with; the linker then takes every
symbol of that file from it and leaves the archive's member where it is.
"""

import json
import os
import shlex
import subprocess

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORE = "src/libteeceepee-core.a.p"


def mutated(path, old, new):
    """The file's text with `old` instead of `new`; None unless `old` stands there exactly once."""
    with open(os.path.join(TREE, path), encoding="utf-8") as source:
        text = source.read()
    return text.replace(old, new) if text.count(old) == 1 else None


class Build:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        with open(os.path.join(self.folder, "compile_commands.json"), encoding="utf-8") as source:
            self.commands = json.load(source)
        self.links = {}

    def command_for(self, path):
        """How the build compiles a core source, as words; the last one is the source."""
        wanted = os.path.join(TREE, path)
        for entry in self.commands:
            source = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
            if source == wanted and entry["output"].startswith(CORE):
                return shlex.split(entry["command"])
        raise SystemExit(f"{path} is not compiled in {self.folder}")

    def compile(self, path, text, scratch):
        """Compiles the changed text; returns the new object."""
        copy = os.path.join(scratch, os.path.basename(path))
        with open(copy, "w", encoding="utf-8") as out:
            out.write(text)
        new = copy + ".o"
        arguments, skip = [], False
        for word in self.command_for(path)[:-1]:
            if skip or word in ("-MD", "-Werror"):
                skip = False
                continue
            if word in ("-o", "-MQ", "-MF"):
                skip = True
                continue
            arguments.append(word)
        # What the mutation no longer uses is no reason to refuse it.
        arguments += ["-w", "-o", new, copy]
        subprocess.run(arguments, cwd=self.folder, check=True)
        return new

    def count_memory(self, changed):
        """Puts the changed object on the heap that the random worlds count."""
        subprocess.run([os.path.join(TREE, "tests", "sim", "count-memory"), changed], check=True)
        return changed

    def link_command(self, program):
        if program not in self.links:
            listed = subprocess.run(["ninja", "-C", self.folder, "-t", "commands", "-s", program],
                                    check=True, stdout=subprocess.PIPE, text=True).stdout
            self.links[program] = shlex.split(listed.strip().splitlines()[-1])
        return self.links[program]

    def link(self, program, changed, scratch):
        """Links the program with the changed object; returns where it is."""
        out = os.path.join(scratch, os.path.basename(program))
        words = list(self.link_command(program))
        at = words.index("-o")
        words[at + 1] = out
        words.insert(at + 2, changed)
        subprocess.run(words, cwd=self.folder, check=True)
        return out
