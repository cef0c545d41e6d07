from array import array
from simdl.engine.timeline import Timeline
def run(program):
    n=len(program); last=[-1]*len(program.streams); indeg=[0]*n; fol=[[] for _ in range(n)]
    for i in range(n):
        for b in program.after(i): fol[b].append(i); indeg[i]+=1
        for s in program.streams_of(i):
            if last[s]>=0: fol[last[s]].append(i); indeg[i]+=1
            last[s]=i
    st=array('d',bytes(8*n)); en=array('d',bytes(8*n)); ready=[i for i in range(n) if not indeg[i]]; done=0
    while ready:
        i=ready.pop(); en[i]=st[i]+program.actions[program.action[i]].duration; done+=1
        for f in fol[i]:
            if en[i]>st[f]: st[f]=en[i]
            indeg[f]-=1
            if not indeg[f]: ready.append(f)
    assert done==n
    return Timeline(program=program,start=st,end=en)
