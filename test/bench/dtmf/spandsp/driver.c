/* Drives spandsp's DTMF receiver over raw 16-bit sound on stdin; a file named as
 * the first argument has one octet a frame of 20 ms, 1 where it was lost. Prints
 * "DIGIT SAMPLE" for each key, and the processor time it took on stderr. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <spandsp.h>

static long now;

static void heard(void *user, int digit, int level, int delay)
{
	(void)user, (void)level, (void)delay;
	if (digit)
		printf("%c %ld\n", digit, now);
}

int main(int argc, char **argv)
{
	FILE *lost = argc > 1 ? fopen(argv[1], "rb") : NULL;
	int16_t frame[160];
	size_t n;
	clock_t spent = 0;
	dtmf_rx_state_t *s = dtmf_rx_init(NULL, NULL, NULL);
	dtmf_rx_set_realtime_callback(s, heard, NULL);
	while ((n = fread(frame, 2, 160, stdin)) > 0) {
		int gone = lost ? fgetc(lost) == 1 : 0;
		clock_t begin = clock();
		if (gone)
			dtmf_rx_fillin(s, n);
		else if (argc > 2) /* for its speed: by frames */
			dtmf_rx(s, frame, n);
		else for (size_t i = 0; i < n; i += 8) { /* for its delay: by milliseconds */
			now += 8;
			dtmf_rx(s, frame + i, n - i < 8 ? n - i : 8);
		}
		if (gone || argc > 2)
			now += n;
		spent += clock() - begin;
	}
	fprintf(stderr, "%.6f\n", (double)spent / CLOCKS_PER_SEC);
	return 0;
}
