/* MKL asks this function of its own whether the processor is Intel's, and takes a slow path where
 * it is not, though the other makers' processors have the same instructions. The dynamic linker
 * finds this one first. Undocumented by Intel; named in pytorch/builder pull request 1245. */

__attribute__((visibility("default"))) int mkl_serv_intel_cpu_true(void);

int mkl_serv_intel_cpu_true(void) {
    return 1;
}
