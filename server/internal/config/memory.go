package config

import (
	"strconv"
	"strings"
)

const (
	minHashMemory   = 19 << 20 // one Argon2id hash
	unknownMemory   = 1 << 30  // assumed where the machine doesn't tell
	hashMemoryShare = 8
)

func defaultHashMemory(machine int64) int64 {
	return max(minHashMemory, machine/hashMemoryShare>>20<<20)
}

// machineMemory is the memory this process may use: what Linux says the machine
// has, or the limit of its control group if that is less.
func machineMemory(readFile func(string) ([]byte, error)) int64 {
	if readFile == nil {
		return unknownMemory
	}
	memory := int64(unknownMemory)
	if data, err := readFile("/proc/meminfo"); err == nil {
		if total := memTotal(string(data)); total > 0 {
			memory = total
		}
	}
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		data, err := readFile(name)
		if err != nil {
			continue
		}
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && limit > 0 {
			memory = min(memory, limit)
		}
	}
	return memory
}

// memTotal is the line "MemTotal: 1024 kB" of /proc/meminfo in bytes.
func memTotal(meminfo string) int64 {
	for line := range strings.Lines(meminfo) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			n, err := strconv.ParseInt(fields[1], 10, 43)
			if err == nil {
				return n << 10
			}
		}
	}
	return 0
}
