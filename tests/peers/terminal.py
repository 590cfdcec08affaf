"""Runs a program on a terminal of its own, and answers its question.

    terminal.py QUESTION ANSWER PROGRAM [ARGUMENT...]

Everything that the terminal showed goes to standard output; the exit code is the program's. The
answer is typed when the last words of the question have been shown; who asks something else is ended after two
minutes. Whether the terminal shows what is
typed when the program has ended goes to standard error.
"""

import os
import pty
import signal
import sys
import termios


def main():
    question, answer, program = sys.argv[1].encode(), sys.argv[2].encode(), sys.argv[3:]
    child, terminal = pty.fork()
    if child == 0:
        # Whoever runs in the background of a shell has them ignored.
        for key in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(key, signal.SIG_DFL)
        os.execv(program[0], program)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(120)
    shown, answered = b"", False
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the program has closed its side
            break
        if not piece:
            break
        shown += piece
        if not answered and question in shown:
            os.write(terminal, answer + b"\n")
            answered = True
    _, status = os.waitpid(child, 0)
    sys.stdout.buffer.write(shown)
    echo = termios.tcgetattr(terminal)[3] & termios.ECHO
    print("echo is on" if echo else "echo is off", file=sys.stderr)
    sys.exit(os.waitstatus_to_exitcode(status) if answered else 99)


main()
