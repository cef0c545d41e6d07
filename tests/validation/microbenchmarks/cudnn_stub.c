/* A stand-in for libcudnn on host memory: the legacy functions with the manual's arguments, one loop a pass.
   Algorithms: 0 runs without workspace, 1 wants 1024 bytes, 2 is not supported, 5 wants more than there is. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int format, type, extents[4]; } Tensor;
typedef struct { int pad[2], stride[2], dilation[2], mode, compute, groups, math; } Convolution;
typedef struct {
    int algo, status;
    float time;
    size_t memory;
    int determinism, mathType, reserved[3];
} Performance;

enum { SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000, ALLOCATION = 4004 };

int stub_search_fails = 0;

size_t cudnnGetVersion(void) { return 91002; }

const char *cudnnGetErrorString(int status) {
    if (status == NOT_SUPPORTED) return "CUDNN_STATUS_NOT_SUPPORTED";
    if (status == ALLOCATION) return "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED";
    return "CUDNN_STATUS_BAD_PARAM";
}

int cudnnCreate(void **handle) { *handle = calloc(1, 64); return SUCCESS; }
int cudnnCreateTensorDescriptor(void **made) { *made = calloc(1, sizeof(Tensor)); return SUCCESS; }
int cudnnCreateFilterDescriptor(void **made) { *made = calloc(1, sizeof(Tensor)); return SUCCESS; }
int cudnnCreateConvolutionDescriptor(void **made) { *made = calloc(1, sizeof(Convolution)); return SUCCESS; }

static int set(Tensor *made, int format, int type, int n, int c, int h, int w) {
    int extents[4] = {n, c, h, w};
    if (format != 0 || (type != 0 && type != 2 && type != 9)) return BAD_PARAM;
    made->format = format, made->type = type;
    memcpy(made->extents, extents, sizeof extents);
    return SUCCESS;
}

int cudnnSetTensor4dDescriptor(void *made, int format, int type, int n, int c, int h, int w) {
    return set(made, format, type, n, c, h, w);
}

int cudnnSetFilter4dDescriptor(void *made, int type, int format, int k, int c, int h, int w) {
    return set(made, format, type, k, c, h, w);
}

int cudnnSetConvolution2dDescriptor(void *made, int pad_h, int pad_w, int u, int v, int dilation_h, int dilation_w,
                                    int mode, int compute) {
    Convolution *c = made;
    c->pad[0] = pad_h, c->pad[1] = pad_w, c->stride[0] = u, c->stride[1] = v;
    c->dilation[0] = dilation_h, c->dilation[1] = dilation_w, c->mode = mode, c->compute = compute;
    return mode == 1 && compute == 0 && dilation_h == 1 && dilation_w == 1 ? SUCCESS : BAD_PARAM;
}

int cudnnSetConvolutionGroupCount(void *made, int groups) { ((Convolution *)made)->groups = groups; return SUCCESS; }
int cudnnSetConvolutionMathType(void *made, int math) { ((Convolution *)made)->math = math; return SUCCESS; }

static size_t needed(int algo) { return algo == 1 ? 1024 : algo == 5 ? (size_t)1 << 50 : 0; }

static int search(int asked, int *returned, Performance *rows, size_t space, int math) {
    static const int algos[] = {1, 2, 0, 5};
    if (stub_search_fails) return NOT_SUPPORTED;
    if (asked < 5) return BAD_PARAM;
    *returned = 5;
    for (int i = 0; i < 4; i++) {
        int algo = algos[i];
        Performance row = {algo, SUCCESS, 1.0f + algo, needed(algo), 1, math == 3 ? 3 : 1, {0}};
        if (algo == 2) row.status = NOT_SUPPORTED;
        if (row.memory > space) row.status = ALLOCATION;
        rows[i] = row;
    }
    rows[4] = (Performance){0, SUCCESS, 0.25f, 4096, 1, 1, {0}}; /* the same algorithm on matrix units */
    return SUCCESS;
}

#define FIND(name) \
    int name(void *handle, void *a, void *x, void *b, void *y, void *convolution, void *c, void *z, int asked, \
             int *returned, Performance *rows, void *workspace, size_t space) { \
        (void)a, (void)b, (void)c; \
        if (!handle || !x || !y || !z || !workspace) return BAD_PARAM; \
        return search(asked, returned, rows, space, ((Convolution *)convolution)->math); \
    }
FIND(cudnnFindConvolutionForwardAlgorithmEx)
FIND(cudnnFindConvolutionBackwardDataAlgorithmEx)
FIND(cudnnFindConvolutionBackwardFilterAlgorithmEx)

#define WORKSPACE(name) \
    int name(void *handle, void *a, void *b, void *convolution, void *c, int algo, size_t *space) { \
        (void)handle, (void)a, (void)b, (void)c; \
        *space = needed(algo); \
        return algo == 2 || !((Convolution *)convolution)->groups ? NOT_SUPPORTED : SUCCESS; \
    }
WORKSPACE(cudnnGetConvolutionForwardWorkspaceSize)
WORKSPACE(cudnnGetConvolutionBackwardDataWorkspaceSize)
WORKSPACE(cudnnGetConvolutionBackwardFilterWorkspaceSize)

static size_t at(const Tensor *t, int i, int j, int k, int l) {
    return (((size_t)i * t->extents[1] + j) * t->extents[2] + k) * t->extents[3] + l;
}

/* Every product of a pass: pass 0 adds to y, 1 to x, 2 to w. */
static int loop(int pass, const Convolution *c, const Tensor *xd, float *x, const Tensor *wd, float *w,
                const Tensor *yd, float *y, int algo, void *workspace, size_t space, float alpha, float beta) {
    const Tensor *rd = pass == 0 ? yd : pass == 1 ? xd : wd;
    float *r = pass == 0 ? y : pass == 1 ? x : w;
    if (alpha != 1.0f || beta != 0.0f || algo == 2) return NOT_SUPPORTED;
    if (space < needed(algo) || (needed(algo) && !workspace)) return BAD_PARAM;
    memset(r, 0, sizeof(float) * at(rd, rd->extents[0], 0, 0, 0));
    for (int n = 0; n < yd->extents[0]; n++)
    for (int k = 0; k < yd->extents[1]; k++)
    for (int p = 0; p < yd->extents[2]; p++)
    for (int q = 0; q < yd->extents[3]; q++)
    for (int j = 0; j < wd->extents[1]; j++)
    for (int u = 0; u < wd->extents[2]; u++)
    for (int v = 0; v < wd->extents[3]; v++) {
        int row = p * c->stride[0] + u - c->pad[0], column = q * c->stride[1] + v - c->pad[1];
        int channel = k / (yd->extents[1] / c->groups) * wd->extents[1] + j;
        if (row < 0 || row >= xd->extents[2] || column < 0 || column >= xd->extents[3]) continue;
        size_t s = at(xd, n, channel, row, column), f = at(wd, k, j, u, v), o = at(yd, n, k, p, q);
        if (pass == 0) y[o] += x[s] * w[f];
        else if (pass == 1) x[s] += y[o] * w[f];
        else w[f] += y[o] * x[s];
    }
    return SUCCESS;
}

#define SCALED void *handle, const float *alpha
#define RUN void *convolution, int algo, void *workspace, size_t space, const float *beta

int cudnnConvolutionForward(SCALED, void *xd, void *x, void *wd, void *w, RUN, void *yd, void *y) {
    (void)handle;
    return loop(0, convolution, xd, x, wd, w, yd, y, algo, workspace, space, *alpha, *beta);
}

int cudnnConvolutionBackwardData(SCALED, void *wd, void *w, void *yd, void *y, RUN, void *xd, void *x) {
    (void)handle;
    return loop(1, convolution, xd, x, wd, w, yd, y, algo, workspace, space, *alpha, *beta);
}

int cudnnConvolutionBackwardFilter(SCALED, void *xd, void *x, void *yd, void *y, RUN, void *wd, void *w) {
    (void)handle;
    return loop(2, convolution, xd, x, wd, w, yd, y, algo, workspace, space, *alpha, *beta);
}
