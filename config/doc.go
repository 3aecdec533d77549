// Package config is every setting of Tandem: its name, default and meaning, in
// one place, the tags of Config. A file is read with the environment and the
// presets of its trunks, and every mistake in it is reported at once, with its
// line. What this version cannot honour it refuses.
package config
