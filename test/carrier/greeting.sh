#!/bin/sh
# Makes what a voicemail says before its beep, as 8 kHz µ-law without a header:
#   apt-get install -y espeak-ng sox
set -eu
cd "$(dirname "$0")"
espeak-ng -v en-us -s 150 -p 60 --stdout "You have reached Ana Diaz. Please leave a message after the tone." |
	sox - -r 8000 -c 1 -e u-law -t raw greeting.ulaw highpass 300 lowpass 3400 \
		silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse pad 0.3 0.3 norm -6
