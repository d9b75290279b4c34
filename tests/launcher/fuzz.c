/* Feeds the launcher's reader of payloads with streams that mean harm: records that lead out of the directory, and
   random bytes changed, plain or compressed. Ends with status 1 as soon as anything outside of the directory exists.

       fuzz DIRECTORY SECONDS INPUTS

   DIRECTORY is empty. The numbers are those of a generator with a fixed seed, so a failure can be repeated. */
#include "filter.h"
#include "launcher.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

enum { LEAST = 2000 /* inputs, however long they take */ };

static uint64_t seed = 88172645463325252ULL;

static unsigned random_below(unsigned limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 11) % limit;
}

static const char *const NAMES[] = {"a", "b", "a/b", "a/b/c", "l", "l/x", "a/l", "a/l/x", "program", "..", "../x", "/x",
    "a/../../x", "a//b", "./a", "a/.", "", "a/", ".", "...", "..a", "a/..", "l/../x", "a/l/../../../x"};
static const char *const TARGETS[] = {"a", "b", "..", "../..", ".", "/", "/x", "a/..", "a/../..", "l", "l/..", "../a",
    "../../x", "", "./../..", "a/b/../../..", "//", "program"};

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned index = 0; index < bytes; index++)
        to[index] = (uint8_t)(value >> 8 * index);
}

static size_t add_record(
    uint8_t *to, char type, const char *name, const void *data, size_t size, unsigned fixups, unsigned filters)
{
    size_t length = strlen(name), at = 24;
    unsigned place = 0;

    memset(to, 0, 24);
    to[0] = (uint8_t)type;
    put(to + 2, length, 2);
    put(to + 4, fixups, 4);
    put(to + 8, size, 8);
    put(to + 16, filters, 8);
    memcpy(to + at, name, length);
    at += length;
    for (unsigned index = 0; index < filters; index++) {
        unsigned room = 1 + random_below(200);
        put(to + at, random_below(20) ? 1 + random_below(8) : random_below(256), 4);
        put(to + at + 4, random_below(random_below(2) ? 3 : 40), 4);
        place += random_below(20);
        put(to + at + 8, place, 8);
        put(to + at + 16, room, 8);
        if (random_below(30) == 0)
            to[at + random_below(24)] = 0xff;
        place += random_below(20) ? room : 0;
        at += 24;
    }
    for (unsigned index = 0; index < fixups; index++) {
        put(to + at, random_below(64), 8);
        put(to + at + 8, random_below(256), 8);
        if (random_below(8) == 0)
            to[at + 7 + random_below(9)] = 0xff;
        at += 16;
    }
    if (size)
        memcpy(to + at, data, size);
    return at + size;
}

/* Fills a table with what entries may be: small numbers, and some of any size. */
static void fill_table(uint8_t *to, size_t size)
{
    for (size_t at = 0; at + 4 <= size; at += 4)
        put(to + at, random_below(3) ? random_below(40) : random_below(1U << 31), 4);
}

/* Joins columns of random sizes and bytes, which begin like objects more often than not. */
static void join_objects(void)
{
    static const uint8_t BYTES[] = {'N', ')', 'c', 's', 'z', 'r', '(', 'l', 'i', 'y', ':', 0, 0, 0, 0, 1, 2, 3, 200};
    size_t size = random_below(400), left = size;
    uint8_t *from = malloc(OBJECTS_HEAD + size), *to = malloc(size + 1);

    for (unsigned column = 0; column < OBJECTS_HEAD / 4; column++) {
        size_t part = column + 1 < OBJECTS_HEAD / 4 ? random_below((unsigned)left + 1) / (column ? 2 : 1) : left;
        put(from + 4 * column, random_below(50) ? part : random_below(1000), 4);
        left -= part;
    }
    for (size_t at = 0; at < size; at++)
        from[OBJECTS_HEAD + at] = BYTES[random_below(sizeof BYTES)];
    (void)objects_join(from, to, size, 5 + random_below(2));
    free(from);
    free(to);
}

int main(int count, char *arguments[])
{
    static uint8_t stream[1 << 20], packed[1 << 20], content[2048];
    unsigned outcomes[4] = {0};
    time_t end;
    unsigned long inputs = 0, most;

    if (count != 4 || chdir(arguments[1]) != 0)
        return 2;
    end = time(NULL) + atoi(arguments[2]);
    most = strtoul(arguments[3], NULL, 10);
    memset(content, 'c', 8);
    memcpy(content + 8, "/program", 9);
    for (; inputs < most && (inputs < LEAST || time(NULL) < end); inputs++) {
        for (unsigned joined = 0; joined < 20; joined++)
            join_objects();
        size_t size = 0;
        unsigned records = random_below(12);
        struct app app = {.fd = memfd_create("payload", 0)};
        for (unsigned index = 0; index < records; index++) {
            char type = "DDFXLL?E"[random_below(random_below(20) ? 6 : 8)];
            const char *name = NAMES[random_below(random_below(4) ? 8 : sizeof NAMES / sizeof *NAMES)];
            const char *target = TARGETS[random_below(sizeof TARGETS / sizeof *TARGETS)];
            bool file = type == 'F' || type == 'X';
            if (file)
                fill_table(content + 32, sizeof content - 32);
            size += add_record(stream + size, type, name, file ? (const void *)content : target,
                file ? random_below(sizeof content) : type == 'L' ? strlen(target) : 0, file ? random_below(3) : 0, file && random_below(2) ? random_below(5) : 0);
        }
        if (random_below(8))
            size += add_record(stream + size, 'E', "", NULL, 0, 0, 0);
        for (unsigned change = random_below(3) ? 0 : random_below(4); change > 0 && size > 0; change--)
            stream[random_below((unsigned)size)] = (uint8_t)random_below(256);
        if (size > 0 && random_below(10) == 0)
            size = random_below((unsigned)size);
        app.compressed = random_below(2);
        app.stream_size = size;
        app.records = records;
        const uint8_t *payload = stream;
        app.payload_size = size;
        if (app.compressed) {
            app.payload_size = ZSTD_compress(packed, sizeof packed, stream, size, 1);
            payload = packed;
            if (random_below(3) == 0)
                packed[random_below((unsigned)app.payload_size)] ^= (uint8_t)(1 + random_below(255));
        }
        if (write(app.fd, payload, app.payload_size) != (ssize_t)app.payload_size || mkdir("tree", 0755) != 0)
            return 2;
        int tree = open("tree", O_PATH | O_DIRECTORY), here = open(".", O_RDONLY | O_DIRECTORY);
        struct names names = {NULL, 0, 0, 0};
        struct watch watch = {.lock = -1, .said = true, .app = &app};
        char why[WHY_ROOM];
        outcomes[extract_stream(&app, tree, "/the/place/of/the/tree", &names, &watch, why)]++;
        free(names.text);
        close(tree);
        close(app.fd);
        if (!remove_tree(here, "tree"))
            return 3;
        close(here);
        DIR *list = opendir(".");
        for (struct dirent *item; (item = readdir(list)) != NULL;)
            if (strcmp(item->d_name, ".") && strcmp(item->d_name, "..")) {
                printf("input %lu made %s\n", inputs, item->d_name);
                return 1;
            }
        closedir(list);
    }
    printf("%lu inputs: %u done, %u refused, %u damaged\n", inputs, outcomes[DONE], outcomes[REFUSED],
        outcomes[DAMAGED]);
    return 0;
}
