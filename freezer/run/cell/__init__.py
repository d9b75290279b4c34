"""The program in which an image's application runs, apart from the host.

It is standalone (see ``freezer.base.isolation``), with the arguments REQUEST, CONTROL and REPORT::

    freezer -> this program, the keeper (unshares) -> init (PID 1: mounts, waits) -> application

When init ends, the kernel ends all other processes of the application and removes the mounts. Each process dies with
its parent, and init also ends when ``CONTROL`` does: so nothing is left if freezer is killed.

REQUEST, CONTROL and REPORT are descriptors, as the standard streams belong to the application. REQUEST is a JSON
object; all paths are absolute, and places relative to the root, without links::

    rootfs       the directory with the image's files; the new root is mounted on it
    writable     whether it may be changed
    scratches    [[place, mode or null, whether it has what the image has there]]: directories in memory
    volumes      [[path of the host, place, whether it is writable]]
    files        {place: text}
    network      "host" or "none"
    hostname     or null, for the host's
    user, group  who runs it
    groups       directories of cgroups, to put it into
    argv, env, cwd  the command; the directory cwd is made if it is not there
    terminal     whether it shall have the caller's terminal

CONTROL gets a byte for each signal: its number, plus GROUP if it is for the whole process group; FOREGROUND gives the
terminal to the application, before that.

REPORT gets JSON objects, one in a line::

    {refused: {cause, remedy}}      the host does not permit it
    {failed: {step, errno, there}}  the command cannot be started; whether there is a file of its name
    {started: notes}                it runs; what it lacks, as this host does not permit it
    {stopped: signal}               the terminal has stopped it
    {ended: status}                 its exit status, or the negative number of the signal that ended it
"""

CELL = "freezer.run.cell.keeper"
"""The program, for ``command_of``."""
GROUP, FOREGROUND = 128, 255
"""Bytes for CONTROL; signals have numbers up to 64."""
