// SPDX-License-Identifier: Apache-2.0
//
// wine 8 has no bcryptprimitives.dll, from which Go takes its random numbers on Windows. This one hands on those of advapi32
// (RtlGenRandom, exported as SystemFunction036). It is for the test alone.

unsigned char __stdcall SystemFunction036(void *buffer, unsigned long length);

__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *data, unsigned long long length)
{
	while (length > 0) {
		unsigned long part = length > 0x10000 ? 0x10000 : (unsigned long)length;
		if (!SystemFunction036(data, part))
			return 0;
		data += part;
		length -= part;
	}
	return 1;
}

int __stdcall DllMain(void *module, unsigned long reason, void *reserved)
{
	return 1;
}
