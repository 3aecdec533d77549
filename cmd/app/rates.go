package app

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"tandem/bridge"
	"tandem/config"
)

// rates is what carriers ask, by prefix of the number without +; "" is any.
type rates map[string]*bridge.Rate

// rateColumns is the first line of rates.file.
var rateColumns = []string{"prefix", "per_minute", "connection_fee", "first_increment_s", "next_increment_s"}

var prefixForm = regexp.MustCompile(`^\+?([1-9][0-9]{0,14})$`)

// loadRates reads rates.file, if there is one, over rates.default.
func loadRates(cfg *config.Rates) (rates, error) {
	perMinute, err := bridge.ParseMoney(cfg.Default.PerMinute)
	if err != nil {
		return nil, fmt.Errorf("rates.default.per_minute: %w", err)
	}
	r := rates{"": {Currency: cfg.Currency, PerMinute: perMinute, First: cfg.Default.FirstIncrement, Next: cfg.Default.NextIncrement}}
	if cfg.File == "" {
		return r, nil
	}
	file, err := os.Open(cfg.File)
	if err != nil {
		return nil, fmt.Errorf("rates.file: %w", err)
	}
	defer file.Close()
	if err := r.read(file, cfg.Currency); err != nil {
		return nil, fmt.Errorf("rates.file %s: %w", cfg.File, err)
	}
	return r, nil
}

// read reads a table of rates; what is wrong names its line.
func (r rates) read(in io.Reader, currency string) error {
	lines := csv.NewReader(in)
	header, err := lines.Read()
	if err != nil || !slices.Equal(header, rateColumns) {
		return fmt.Errorf("line 1: the columns are %v", rateColumns)
	}
	for {
		row, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line, _ := lines.FieldPos(0)
		prefix := prefixForm.FindStringSubmatch(row[0])
		if prefix == nil {
			return fmt.Errorf("line %d: %q is not a prefix such as 4420", line, row[0])
		}
		if r[prefix[1]] != nil {
			return fmt.Errorf("line %d: the prefix %s is there twice", line, prefix[1])
		}
		if r[prefix[1]], err = rateOf(row, currency); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

func rateOf(row []string, currency string) (*bridge.Rate, error) {
	rate := &bridge.Rate{Currency: currency}
	var errs [4]error
	rate.PerMinute, errs[0] = bridge.ParseMoney(row[1])
	rate.Fee, errs[1] = bridge.ParseMoney(row[2])
	rate.First, errs[2] = increment(row[3])
	rate.Next, errs[3] = increment(row[4])
	return rate, errors.Join(errs[:]...)
}

func increment(text string) (time.Duration, error) {
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 1 || seconds > 3600 {
		return 0, fmt.Errorf("%q is not 1 to 3600 seconds", text)
	}
	return time.Duration(seconds) * time.Second, nil
}

// of finds the rate of a number in E.164: that of its longest prefix. A desk phone
// costs nothing.
func (r rates) of(number string) *bridge.Rate {
	if bridge.IsDesk(number) {
		return &bridge.Rate{Currency: r[""].Currency, First: time.Second, Next: time.Second}
	}
	digits := number[min(1, len(number)):]
	for n := len(digits); n > 0; n-- {
		if rate := r[digits[:n]]; rate != nil {
			return rate
		}
	}
	return r[""]
}
