/* What launchd offers its jobs, with the socket whose descriptor MODELSVC_TEST_SOCKET tells. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int given, freed, descriptors[8];

int launch_activate_socket(const char *name, int **fds, size_t *count) {
    const char *told = getenv("MODELSVC_TEST_SOCKET"), *failure = getenv("MODELSVC_TEST_FAILURE");
    if (failure) return atoi(failure);
    if (!told) return ESRCH;
    if (strcmp(name, "edge")) return ENOENT;
    if (given) return EALREADY;
    for (*count = 0; *told; told += strspn(told, ",")) descriptors[(*count)++] = (int)strtol(told, (char **)&told, 10);
    given = 1;
    *fds = descriptors;
    return 0;
}

/* Found before the system's own, and so counted. */
void free(void *array) { freed += array == (void *)descriptors; }
int times_freed(void) { return freed; }
