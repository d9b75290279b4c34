"""A program in images, which have no shell: one static file that can do everything the tests of running ask for."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from images import Entry, Made, archive, file, folder
from support import compile_c

from freezer.base.oci.machine import HOSTS

PROBE = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static volatile int count;
static void got(int number) { dprintf(1, "got %d\n", number), count++; }

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "exit", *with = argc > 2 ? argv[2] : "0";
    setvbuf(stdout, NULL, _IONBF, 0);
    if (!strcmp(what, "exit")) return atoi(with);
    if (!strcmp(what, "kill")) raise(atoi(with));
    if (!strcmp(what, "show"))
        for (int index = 2; index < argc; index++) {
            char text[65536];
            int file = open(argv[index], O_RDONLY);
            for (ssize_t size; file >= 0 && (size = read(file, text, sizeof text)) > 0;) write(1, text, size);
        }
    if (!strcmp(what, "list")) {
        DIR *directory = opendir(with);
        for (struct dirent *entry; directory && (entry = readdir(directory));)
            if (entry->d_name[0] != '.') printf("%s\n", entry->d_name);
    }
    if (!strcmp(what, "stat")) {
        struct stat status;
        for (int index = 2; index < argc; index++)
            if (lstat(argv[index], &status)) printf("%d\n", errno);
            else printf("%o %d %d\n", status.st_mode, status.st_uid, status.st_gid);
    }
    if (!strcmp(what, "touch"))
        for (int index = 2; index < argc; index++)
            printf("%d\n", open(argv[index], O_CREAT | O_WRONLY, 0644) < 0 ? errno : 0);
    if (!strcmp(what, "where")) {
        char path[4096];
        printf("%s %d %d\n", getcwd(path, sizeof path), getuid(), getgid());
    }
    if (!strcmp(what, "rebel")) {
        printf("%d ", mount("none", "/tmp", "tmpfs", 0, "") ? errno : 0);
        printf("%d ", setuid(0) ? errno : 0);
        printf("%d ", access("/proc/1/root/app", F_OK) ? errno : 0);
        printf("%d ", unshare(CLONE_NEWUSER) ? errno : 0);
        printf("%d ", mknod("/tmp/disk", S_IFBLK | 0666, makedev(8, 0)) ? errno : 0);
        printf("%d ", socket(40, SOCK_STREAM, 0) < 0 ? errno : 0);
        kill(1, SIGKILL), kill(1, SIGTERM), kill(0, SIGURG), kill(-1, SIGURG);
        usleep(20000);
    }
    if (!strcmp(what, "everyone")) kill(0, SIGKILL), sleep(60);
    if (!strcmp(what, "wait")) {
        signal(SIGUSR1, got), signal(SIGINT, got);
        write(1, "up\n", 3);
        while (count < 2) usleep(1000);
    }
    if (!strcmp(what, "words"))
        for (int index = 2; index < argc; index++) printf("%s\n", argv[index]);
    if (!strcmp(what, "read")) {
        char line[4096] = "end";
        if (!fgets(line, sizeof line, stdin)) puts("end");
        else printf("read %s", line);
    }
    if (!strcmp(what, "forks")) {
        int made = 0;
        for (; made < 50; made++) {
            int child = fork();
            if (child < 0) break;
            if (child == 0) { sleep(600); return 0; }
        }
        printf("%d\n", made);
    }
    if (!strcmp(what, "sleep")) { write(1, "up\n", 3); sleep(600); }
    if (!strcmp(what, "push")) printf("%d\n", ioctl(0, TIOCSTI, "x") ? errno : 0);
    if (!strcmp(what, "litter")) {
        if (fork() == 0) { setsid(); if (fork() == 0) { signal(SIGTERM, SIG_IGN); sleep(600); } return 0; }
        write(1, "up\n", 3);
        sleep(600);
    }
    return 0;
}
"""


def make_probe(path: Path) -> Path:
    """The program, for everybody."""
    compile_c(PROBE, path, "-static", "-w").chmod(0o755)
    return path


def probe_image(probe: Path, *layers: Sequence[Entry], **settings: Any) -> Made:
    """An image with the program at /probe as its entrypoint."""
    first = [folder("tmp", 0o1777), folder("etc"), file("probe", probe.read_bytes(), mode=0o755)]
    further = [archive(*entries) for entries in layers]
    made = Made(archive(*first), *further, settings={"Entrypoint": ["/probe"], **settings})
    made.config["architecture"] = HOSTS[platform.machine()].architecture
    return made
