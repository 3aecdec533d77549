#!/bin/sh
# Makes every prompt again, with Debian's free synthesiser:
#   apt-get install -y espeak-ng sox
# 8 kHz, mono, 16-bit PCM; band of a telephone; silence trimmed; -6 dB below full
# scale at its peak, which is speech of about -16 dBm0.
set -eu
cd "$(dirname "$0")"
mkdir -p en/digits
say() {
	espeak-ng -v en-us -s 150 -p 45 --stdout "$2" |
		sox - -r 8000 -c 1 -b 16 "en/$1.wav" highpass 300 lowpass 3400 \
			silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse pad 0.05 0.1 norm -6
}
say press-1 "To connect your call, press 1."
say canceled "Canceled."
say busy "The number is busy."
say no-answer "The number is not answering."
say not-in-service "The number is not in service."
say declined "The call was declined."
say unreachable "The number cannot be reached."
say lines-busy "Our lines are busy. Nothing was dialled."
say call-failed "The number was dialled, but the call failed."
say policy-refused "This number may not be called."
say calling "Calling a number that ends in"
for digit in 0 1 2 3 4 5 6 7 8 9; do say "digits/$digit" "$digit."; done
